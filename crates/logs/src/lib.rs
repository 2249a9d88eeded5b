//! Keeps trace items in files, and finds them.

mod database;
mod entry;
mod expression;
mod filter;
mod folder;
mod index;
mod indexer;
mod outbox;
mod reader;
mod retention;
mod rollup;
mod row;
mod scrub;
mod segments;
mod terms;
mod writer;

pub use entry::{Entry, Privacy};
pub use expression::{Expression, SyntaxError};
pub use filter::Filter;
pub use reader::{Found, ReadError, Reader};
pub use retention::Retention;
pub use scrub::Scrub;
pub use segments::WriteError;
pub use writer::{Counts, Writer};

#[cfg(test)]
mod tests;
