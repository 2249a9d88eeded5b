//! Failures of the host or of its input. A failure of a guest is never an [`Error`]: it is an
//! outcome in a trace item.

use std::fmt;
use taffrail_trace::{Outcome, TraceException};

/// Why the runtime could not do what it was asked.
///
/// The text names the fault and how to correct it. It is not stable. If the cause is an error of
/// wasmtime or of the system, it is the [`source`](std::error::Error::source) and not part of the
/// text.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// What an [`Error`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The bytes are not a component that can run here.
    Component,
    /// The script failed when it was evaluated.
    Script,
    /// No Worker is deployed under that name.
    NotDeployed,
    /// A chain of calls and tails is too long.
    Loop,
    /// The settings of a Worker contradict themselves or those of other Workers.
    Settings,
    /// The host failed or ran out of a resource.
    Host,
}

impl Error {
    pub(crate) fn component(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Component, message)
    }

    pub(crate) fn script(outcome: Outcome, exception: Option<TraceException>) -> Self {
        let message = match exception {
            Some(TraceException {
                name,
                message,
                stack: Some(stack),
                ..
            }) => format!("{name}: {message}\n{stack}"),
            Some(TraceException { name, message, .. }) => format!("{name}: {message}"),
            None => format!("the script ended with the outcome {outcome:?}"),
        };
        Self::new(ErrorKind::Script, message)
    }

    pub(crate) fn settings(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Settings, message)
    }

    pub(crate) fn host(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Host, message)
    }

    pub(crate) fn too_deep(tail: &str, depth: u32) -> Self {
        let message =
            format!("the Tail Worker `{tail}` is the end of {depth} calls and tails in a row");
        Self::new(ErrorKind::Loop, message)
    }

    pub(crate) fn not_deployed(worker: &str) -> Self {
        let message = format!("no Worker `{worker}` is deployed");
        Self::new(ErrorKind::NotDeployed, message)
    }

    pub(crate) fn caused_by(
        self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self {
            source: Some(source.into()),
            ..self
        }
    }

    fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            source: None,
        }
    }

    /// Returns the kind of this error.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        let source = self.source.as_deref()?;
        Some(source)
    }
}
