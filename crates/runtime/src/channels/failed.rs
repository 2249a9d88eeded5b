//! Why a call of another Worker failed.

use crate::invocation::TooManySubrequests;
use crate::invocation::held::{CannotCollect, HostMemoryExceeded};
use taffrail_trace::TraceException;

/// Why a call failed, as it is reported to the caller.
#[derive(Clone, Debug, serde::Deserialize, serde::Serialize)]
pub(crate) struct CallFailed {
    pub(crate) name: String,
    pub(crate) message: String,
    /// Whether the callee itself failed.
    #[serde(default)]
    pub(crate) remote: bool,
}

impl CallFailed {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            name: "Error".to_owned(),
            message: message.into(),
            remote: false,
        }
    }

    /// Returns the exception that the callee threw. As on workerd, a name that the caller does
    /// not know becomes part of the message.
    fn thrown(exception: TraceException) -> Self {
        let named = exception.stack.as_deref().and_then(header);
        Self {
            message: match named {
                Some(header) if header.ends_with(&exception.message) => header.to_owned(),
                _ => exception.message,
            },
            name: exception.name,
            remote: true,
        }
    }

    /// Returns the exception with which the callee ended. A failure to start is worded as on
    /// workerd.
    pub(crate) fn of(exception: Option<TraceException>, started: bool) -> Self {
        match exception {
            Some(TraceException {
                name,
                message,
                stack,
                ..
            }) if !started => {
                let frames: String = stack
                    .iter()
                    .flat_map(|stack| stack.lines())
                    .map(|frame| format!("\n  {}", frame.trim_start()))
                    .collect();
                Self::new(format!(
                    "Failed to start Worker:\nUncaught {name}: {message}{frames}"
                ))
            }
            Some(exception) => Self::thrown(exception),
            None => Self::new("The Worker did not answer."),
        }
    }
}

/// Returns the text before the first frame of a stack, if it differs from the name and the
/// message of the exception.
fn header(stack: &str) -> Option<&str> {
    let end = stack.find("\n    at ").unwrap_or(stack.len());
    let header = &stack[..end];
    (!header.trim_start().starts_with("at ")).then_some(header)
}

impl From<TooManySubrequests> for CallFailed {
    fn from(refusal: TooManySubrequests) -> Self {
        Self::new(refusal.to_string())
    }
}

impl From<HostMemoryExceeded> for CallFailed {
    fn from(refusal: HostMemoryExceeded) -> Self {
        Self::new(refusal.to_string())
    }
}

impl From<CannotCollect> for CallFailed {
    fn from(failed: CannotCollect) -> Self {
        match failed {
            CannotCollect::TooLong => Self::new("the body is too long"),
            CannotCollect::BrokeOff => Self::new("the body broke off"),
            CannotCollect::Memory(refusal) => refusal.into(),
        }
    }
}
