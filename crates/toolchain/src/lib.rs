//! Tools for guests, which Taffrail fetches once and keeps in a folder of the
//! caller: the ground that the languages share.

mod command;
mod error;
mod home;

pub use command::{output, run};
pub use error::Error;
pub use home::{Home, unwritable, version};
