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
        /// The id of the invocation.
        invocation_id: String,
    },
}

impl FetchResult {
    /// Returns the id of the invocation, by which its trace item can be found.
    #[must_use]
    pub fn invocation_id(&self) -> String {
        match self {
            Self::Response(response) => response.body().invocation_id(),
            Self::Failed { invocation_id, .. } => invocation_id.clone(),
        }
    }

    /// Returns the result of an invocation that set no response.
    pub(crate) fn failed(invocation: &Invocation) -> Self {
        let (outcome, exception) = invocation.verdict();
        Self::Failed {
            outcome,
            exception,
            started: invocation.has_started(),
            invocation_id: invocation.id.to_string(),
        }
    }
}
