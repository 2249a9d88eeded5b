//! The errors of a project.

use std::error::Error as StdError;
use std::fmt;

/// Why a Worker of a project cannot be configured, built or deployed.
///
/// The message names the file and how to correct the mistake; it is not stable. As usual, it does
/// not contain the cause, which is the [`source`](StdError::source). The alternate form `{:#}`
/// includes it.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// The kind of an [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A configuration, or an override of it, is missing, malformed, or contradicts that of
    /// another Worker.
    Configuration,
    /// A `build.command` failed or cannot be run.
    Build,
    /// The component or the script of a Worker cannot be read, bundled, compiled
    /// or evaluated.
    Code,
    /// The host failed or ran out of a resource, or another process uses the store.
    Host,
}

pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub(crate) fn configuration(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Configuration, message)
    }

    pub(crate) fn build(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Build, message)
    }

    pub(crate) fn code(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Code, message)
    }

    pub(crate) fn host(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Host, message)
    }

    fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            source: None,
        }
    }

    pub(crate) fn caused_by(self, source: impl StdError + Send + Sync + 'static) -> Self {
        Self {
            source: Some(Box::new(source)),
            ..self
        }
    }

    /// Returns an error of the same kind, with this one as its cause.
    pub(crate) fn context(self, message: impl Into<String>) -> Self {
        Self::new(self.kind, message).caused_by(self)
    }

    /// Returns the same error, prefixed with a place.
    pub(crate) fn at(self, place: impl fmt::Display) -> Self {
        Self {
            message: format!("{place}: {}", self.message),
            ..self
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
        f.write_str(&self.message)?;
        if f.alternate() {
            let mut source = self.source();
            while let Some(cause) = source {
                write!(f, ": {cause}")?;
                source = cause.source();
            }
        }
        Ok(())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        let source = self.source.as_deref()?;
        Some(source)
    }
}

impl From<taffrail_runtime::Error> for Error {
    fn from(error: taffrail_runtime::Error) -> Self {
        let kind = match error.kind() {
            taffrail_runtime::ErrorKind::Component | taffrail_runtime::ErrorKind::Script => {
                ErrorKind::Code
            }
            taffrail_runtime::ErrorKind::Settings => ErrorKind::Configuration,
            _ => ErrorKind::Host,
        };
        let mut message = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            message = format!("{message}: {cause}");
            source = cause.source();
        }
        Self::new(kind, message)
    }
}

impl From<taffrail_javascript::Error> for Error {
    fn from(error: taffrail_javascript::Error) -> Self {
        Self::host(error.to_string())
    }
}

/// Returns a configuration error from the function.
macro_rules! bail {
    ($($message:tt)*) => {
        return Err($crate::error::Error::configuration(format!($($message)*)))
    };
}

/// Returns a configuration error from the function unless a condition holds.
macro_rules! ensure {
    ($condition:expr, $($message:tt)*) => {
        if !$condition {
            $crate::error::bail!($($message)*);
        }
    };
}

pub(crate) use {bail, ensure};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_told_once_and_when_it_is_asked_for() {
        let cause = std::io::Error::other("no space");
        let error = Error::host("it cannot be kept").caused_by(cause);
        let error = error.at("file").context("Worker `w`");
        assert_eq!(error.kind(), ErrorKind::Host);
        assert_eq!(error.to_string(), "Worker `w`");
        let whole = "Worker `w`: file: it cannot be kept: no space";
        assert_eq!(format!("{error:#}"), whole);
        assert_eq!(
            error.source().unwrap().to_string(),
            "file: it cannot be kept"
        );
    }
}
