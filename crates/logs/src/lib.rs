//! Keeps trace items in files, and finds them.

mod columns;
mod database;
mod deliveries;
mod entry;
mod expression;
mod filter;
mod folder;
mod index;
mod indexer;
mod outbox;
mod parts;
mod reader;
mod retention;
mod rollup;
mod row;
mod sampling;
mod scrub;
mod segments;
mod sources;
mod spans;
mod stats;
mod tables;
mod terms;
mod writer;

pub use deliveries::{Deliveries, Undelivered};
pub use entry::{Entry, Privacy};
pub use expression::{Expression, SyntaxError};
pub use filter::Filter;
pub use reader::{Found, ReadError, Reader};
pub use retention::Retention;
pub use row::{Part, Row, event_type, is_failure, status};
pub use sampling::is_sampled;
pub use scrub::Scrub;
pub use segments::WriteError;
pub use stats::{Quantiles, Slot, Statistics, WorkerStatistics};
pub use tables::Datasets;
pub use terms::level_name;
pub use writer::{Counts, Writer};

#[cfg(test)]
mod tests;
