//! The record of one Worker invocation: bounded while it is written, redacted
//! when it is read, and serialisable to the JSON that Tail Workers know.
//!
//! Nothing here does IO, knows a clock or knows WebAssembly: callers hand in
//! facts and timestamps and get a [`TraceItem`].

mod attribute;
mod builder;
mod date;
mod event;
mod held;
mod item;
mod json;
mod outcome;
mod redact;
mod request;
mod span;
mod spans;
mod stream;

pub use attribute::AttributeValue;
pub use builder::{End, MAX_TRACE_BYTES, TraceBuilder};
pub use date::iso8601_string;
pub use item::*;
pub use json::Json;
pub use outcome::Outcome;
pub use redact::{is_sensitive_header, redact_url};
pub use request::{RequestData, TailRequest};
pub use span::*;
pub use stream::*;
