//! Tools for guests, which Taffrail fetches once and keeps in a folder of the
//! caller: the ground that the languages share.

mod builds;
mod command;
mod error;
mod files;
mod handlers;
mod home;
mod language;
mod module;
mod pip;
mod sources;
mod wit;

pub use command::{not_fetched, output, run};
pub use error::Error;
pub use files::{add_files, write_files};
pub use handlers::Handlers;
pub use home::{Home, unwritable, version};
pub use language::{Built, Language};
pub use module::World;
pub use pip::install_python_package;
pub use sources::Sources;
pub use wit::{WIT, wit_of};
