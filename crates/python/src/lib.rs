//! Builds components from Workers in Python, with componentize-py and the package `workers`.
//!
//! componentize-py is fetched once from the Python Package Index. This needs Python 3.10 and pip.
//! It is kept in a folder of the caller.

mod toolchain;

pub use toolchain::Python;
