//! JavaScript and TypeScript for Taffrail: builds the engine component and bundles scripts.
//!
//! The engine is StarlingMonkey with the JavaScript in `engine/`, built into a component by
//! componentize-js. It is built once, which needs Node.js and npm, and kept in a directory of the
//! caller. esbuild bundles the scripts. It is a WebAssembly program too, so it needs neither of
//! the two, and sees only the files that it is given.

mod bundle;
mod bundler;
mod clock;
mod esbuild;
mod files;
mod folder;
mod input;
mod kinds;
mod memory;
mod meta;
mod modules;
mod place;
mod rules;
mod run;
mod section;
mod toolchain;
mod turns;
mod wasi;

pub use bundle::{Bundle, BundleError, Bundled, SyntaxError};
pub use bundler::Bundler;
pub use kinds::ModuleKind;
pub use meta::PROVIDED_MODULES;
pub use modules::Module;
pub use place::{Boundary, read_file};
pub use rules::{Bundling, Rule, RuleKind};
pub use taffrail_toolchain::Error;
pub use toolchain::Toolchain;
