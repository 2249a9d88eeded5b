//! Trace items as messages of OTLP.

pub(crate) mod attributes;
mod by_script;
mod event;
pub(crate) mod logs;
mod payload;
pub(crate) mod resource;
pub(crate) mod traces;

pub(crate) use payload::encode;
