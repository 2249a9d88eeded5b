//! Read-only SQL over databases of SQLite, with limits, in the dialect of Analytics Engine.
//!
//! A query is parsed, checked and given types, and written anew as SQL of SQLite. Nothing of its
//! text reaches SQLite except as a quoted string or a number. What is executed reads the tables
//! of a [`Catalogue`] and nothing else, and ends when it exceeds its [`Limits`] or is
//! [cancelled](Cancel).
//!
//! [`query()`] runs a query over any tables; [`Analytics`] over the data points that Workers have
//! written.

mod analytics;
mod answer;
mod catalogue;
mod clock;
mod compile;
mod error;
mod execute;
mod format;
mod functions;
mod groups;
mod guard;
mod http;
mod parse;
mod queries;
mod request;
mod rules;
mod types;

pub use analytics::{Analytics, uri};
pub use answer::{Answer, Column as ResultColumn, Format, Value};
pub use catalogue::{Catalogue, Column, Parts, Table};
pub use error::{Error, ErrorKind};
pub use execute::query;
pub use functions::is_like;
pub use http::Response;
pub use queries::{Queries, Query};
pub use request::{Params, Request};
pub use rules::{Cancel, Limits, Rules};
pub use types::{Type, Unit};

#[cfg(test)]
mod tests;
