//! Taffrail beside recordings of workerd.
//!
//! A recording holds the Workers, what a client was answered and what the tail
//! consumers received. [`run()`] has Taffrail run the same Workers and says where
//! the two differ.
//!
//! - `recording` reads a file (`surrogates` makes it UTF-8), `capnp` the
//!   workerd configuration in it, `answer` the answers;
//! - `unsupported` knows what Taffrail cannot run yet;
//! - `requests` works out what the client sent, `replay` sends it;
//! - `workers` writes the Workers, `recorder` takes what their tails saw;
//! - `normalise` drops what no two runs share, `compare` finds differences,
//!   `allowed` lists those that are meant, `verdict` sums up;
//! - `report` says it.

mod allowed;
mod answer;
mod capnp;
mod compare;
mod normalise;
mod observed;
mod recorder;
mod recording;
mod replay;
mod report;
mod requests;
mod run;
mod streams;
mod surrogates;
mod unsupported;
mod verdict;
mod workers;

pub use recording::Recording;
pub use report::{Report, Scenario, Verdict};
pub use run::run;
