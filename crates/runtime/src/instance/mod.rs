//! An instance of a component: the engine, the store and its data, and the
//! requests that leave it.

pub(crate) mod cdn_loop;
pub(crate) mod engine;
pub(crate) mod outbound;
pub(crate) mod output;
pub(crate) mod state;
pub(crate) mod table;
pub(crate) mod trace_context;
mod unreachable;
