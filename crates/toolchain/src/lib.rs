//! Tools for guests, which Taffrail fetches once and keeps in a folder of the
//! caller: the ground that the languages share.

mod builds;
mod command;
mod error;
mod home;
mod language;
mod module;
mod pip;
mod sources;
mod wit;

pub use builds::Builds;
pub use command::{not_fetched, output, run};
pub use error::Error;
pub use home::{Home, unwritable, version};
pub use language::{Built, Language};
pub use module::World;
pub use pip::install_python_package;
pub use sources::Sources;
pub use wit::{WIT, add_files, wit_of};
