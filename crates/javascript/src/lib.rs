//! What Taffrail needs in order to run JavaScript and TypeScript: an engine
//! component, and scripts in one file.
//!
//! The engine is StarlingMonkey with the JavaScript in `engine/`, made into a
//! component by componentize-js. It is made once, which needs Node.js and npm,
//! and kept in a directory of the caller's. Scripts are bundled by esbuild,
//! which comes with it and needs neither.

mod bundle;
mod command;
mod error;
mod section;
mod toolchain;

pub use bundle::{Bundle, Module, ModuleKind, PROVIDED_MODULES, SyntaxError};
pub use error::Error;
pub use toolchain::Toolchain;
