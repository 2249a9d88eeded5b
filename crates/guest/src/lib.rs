//! Workers and Tail Workers in Rust, for the target `wasm32-wasip2`.
//!
//! A Tail Worker that posts its items:
//!
//! ```no_run
//! use taffrail::{Error, TraceItem, post};
//!
//! #[taffrail::tail]
//! async fn tail(events: Vec<TraceItem>) -> Result<(), Error> {
//!     let response = post(&std::env::var("ENDPOINT")?, &events).await?;
//!     println!("{}", response.status());
//!     Ok(())
//! }
//! ```
//!
//! A Worker that responds to requests, with the types of the crate `http`:
//!
//! ```no_run
//! use taffrail::{Body, Request, Response};
//!
//! #[taffrail::fetch]
//! async fn fetch(request: Request<Body>) -> Response<String> {
//!     Response::new(format!("Hello from {}\n", request.uri().path()))
//! }
//! ```
//!
//! An error that a handler returns is an exception in its trace item. The name is that of the
//! error's type, and the message has its sources, too. A panic needs nothing of this crate: the
//! runtime records it with its message, its place and its frames.
//!
//! # Logs
//!
//! With the feature `log` or `tracing`, log entries have the level, the message, and an object with
//! the fields, the target, the file and the line:
//!
//! ```no_run
//! # #[cfg(feature = "tracing")]
//! # fn f() {
//! tracing::warn!(order = 7, "sold out");
//! # }
//! # #[cfg(feature = "log")]
//! log::warn!(order = 7; "sold out");
//! ```
//!
//! Lines on stdout are entries of the level `log`, and lines on stderr of the level `error`.

#[doc(hidden)]
pub mod handlers;

pub mod bindings;
mod failure;
mod http;
mod item;
#[cfg(feature = "log")]
mod log;
#[cfg(any(feature = "log", feature = "tracing"))]
mod logs;
#[cfg(feature = "tracing")]
mod tracing;

pub use crate::http::{Body, Request, Response, StatusCode, fetch, post};
pub use crate::item::{
    AttributeValue, ConsumedEvent, DiagnosticsChannelEvent, DroppedEntries, ErrorInfo, EventInfo,
    ExceededLimit, ExecutionModel, Json, LogLevel, Outcome, Preview, RequestData, Script,
    ScriptVersion, TailRequest, TailResponse, TraceException, TraceItem, TraceLog, WebSocketEvent,
};
#[cfg(feature = "tracing")]
pub use crate::tracing::ConsoleLayer;
pub use anyhow::{Context, Error};
pub use bindings::taffrail::workers::context;
pub use bindings::wasi::keyvalue::store as kv;
pub use taffrail_guest_macros::{fetch, tail};
