//! The end of a fetch event, as its caller sees it.

use crate::invocation::Invocation;
use crate::invocation::body::ResponseBody;
use taffrail_trace::{Outcome, TraceException};

/// How a fetch event was answered.
pub enum FetchResult {
    /// The guest set a response. Its invocation may still be running.
    Response(http::Response<ResponseBody>),
    /// The guest set none; what the client is told is the caller's affair.
    Failed {
        /// How the invocation ended.
        outcome: Outcome,
        /// What went wrong, if there is more to say than the outcome.
        exception: Option<TraceException>,
        /// Whether the code could be started at all.
        started: bool,
    },
}

impl FetchResult {
    /// The end of an invocation that set no response.
    pub(crate) fn failed(invocation: &Invocation) -> Self {
        let (outcome, exception) = invocation.verdict();
        Self::Failed {
            outcome,
            exception,
            started: invocation.has_started(),
        }
    }
}
