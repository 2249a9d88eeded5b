//! Failures of the host or of what it was given. What a guest does wrong is
//! never one of these: it is an outcome in a trace item.

use std::fmt;
use taffrail_trace::{Outcome, TraceException};

/// Why the runtime could not do what it was asked.
///
/// The text names the fault and what to do about it; it is not stable. When
/// wasmtime or the system failed, their error is the
/// [`source`](std::error::Error::source), and not in the text.
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
    /// The bytes given are no component that can run here.
    Component,
    /// A script fails when it is evaluated.
    Script,
    /// No Worker of that name is deployed.
    NotDeployed,
    /// The settings of a Worker contradict themselves or those of others.
    Settings,
    /// The host is at fault or short of something.
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

    /// What this error is about.
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
