//! Builds components from Workers in C and C++, with clang as Zig packages it, and `workers.h`.
//!
//! The compiler is fetched once from the Python Package Index. This needs Python 3 and pip. It is
//! kept in a folder of the caller, with the libraries and the bindings, which are compiled once.

mod compiler;
mod handlers;
mod toolchain;

pub use toolchain::C;
