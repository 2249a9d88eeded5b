//! The result of a fetch event.

use crate::invocation::Invocation;
use crate::invocation::body::ResponseBody;
use taffrail_trace::{Outcome, TraceException};

/// The result of a fetch event.
pub enum FetchResult {
    /// The guest set a response. Its invocation may still be running.
    Response(http::Response<ResponseBody>),
    /// The guest set no response. The embedder decides what to send to the client.
    Failed {
        /// How the invocation ended.
        outcome: Outcome,
        /// The exception, if there is one.
        exception: Option<TraceException>,
        /// Whether the Worker's code could be started.
        started: bool,
    },
}

impl FetchResult {
    /// Returns the result of an invocation that set no response.
    pub(crate) fn failed(invocation: &Invocation) -> Self {
        let (outcome, exception) = invocation.verdict();
        Self::Failed {
            outcome,
            exception,
            started: invocation.has_started(),
        }
    }
}
