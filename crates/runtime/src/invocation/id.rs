//! Identities of invocations.

use std::fmt;
use taffrail_trace::{SpanId, TraceId};

/// The unique identity of an invocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InvocationId(u128);

impl InvocationId {
    pub(crate) fn new() -> Self {
        Self(rand::random())
    }

    /// Returns the id of the trace that begins with this invocation.
    pub(crate) fn trace_id(self) -> TraceId {
        TraceId::new(self.0)
    }

    /// Returns the id of the span of this invocation.
    pub(crate) fn span_id(self) -> SpanId {
        SpanId::new((self.0 >> 64) as u64)
    }
}

/// Formats as 32 hexadecimal digits.
impl fmt::Display for InvocationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}
