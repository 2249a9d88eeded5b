//! How an invocation ended.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The outcome of an invocation. The HTTP status has no influence on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// No outcome was set.
    #[default]
    Unknown,
    /// The handler ran to its end.
    Ok,
    /// The handler failed.
    Exception,
    /// More CPU time than `limits.cpu_ms` allows.
    ExceededCpu,
    /// An operator stopped the Worker.
    KillSwitch,
    /// The runtime itself was unavailable.
    DaemonDown,
    /// No code was found for the Worker.
    ScriptNotFound,
    /// The client went away before the response was complete.
    Canceled,
    /// More memory than the instance may have.
    ExceededMemory,
    /// Too many invocations were running already.
    LoadShed,
    /// The response stream broke off after its headers were sent.
    ResponseStreamDisconnected,
    /// The host failed.
    InternalError,
    /// More wall-clock time than allowed.
    ExceededWallTime,
    /// The invocation was aborted.
    Aborted,
}

/// The name that it has in JSON.
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}
