//! From folders on disk to Workers in a runtime: Wrangler's configurations,
//! scripts that are bundled, components that are compiled, dispatch namespaces
//! and cron triggers.

mod build_command;
mod claim;
pub mod config;
mod crons;
mod javascript;
mod main_file;
mod namespaces;
mod progress;
mod project;
mod settings;

pub use crons::Crons;
pub use main_file::Main;
pub use progress::{Progress, Step, Underway};
pub use project::{Builder, Project};
