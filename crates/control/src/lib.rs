//! The control endpoint of a running `dev` or `serve`: live tails, stopping and starting Workers,
//! and the state of deliveries, over HTTP.
//!
//! [`Control`] serves a [`Listener`] that only this machine can reach: a Unix socket of this
//! user, or a loopback address with a [`Token`]. [`Client`] is the other end.
//!
//! A live tail speaks the protocol of `wrangler tail`: a request makes a tail with filters, and a
//! WebSocket receives a text message of JSON for each item. [`Tails`] is the consumer that feeds
//! them.

mod access;
mod address;
mod client;
mod endpoints;
mod metrics;
mod reply;
mod routes;
mod server;
mod tails;

pub use access::Token;
pub use address::{Address, BadAddress};
pub use client::{Client, ClientError, End, LiveTail};
pub use metrics::Metrics;
pub use server::{Control, Listener};
pub use tails::Tails;
pub use tails::filter::{BadRate, ClientIp, Condition, Filter, HeaderFilter, SamplingRate};
