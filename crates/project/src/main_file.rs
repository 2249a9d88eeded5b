//! The file that the `main` of a configuration names.

use crate::config::WorkerConfig;
use crate::error::{Error, Result};
use bytes::Bytes;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use taffrail_javascript::Bundle;

/// The contents of a Worker's `main`. Two are equal if a new deployment would change nothing.
#[derive(Clone, PartialEq)]
pub struct Main(pub(crate) Kind);

#[derive(Clone, PartialEq)]
pub(crate) enum Kind {
    Component(Bytes),
    Script(Arc<Bundle>),
}

impl Main {
    /// The bytes of a component.
    #[must_use]
    pub fn component(&self) -> Option<&[u8]> {
        match &self.0 {
            Kind::Component(bytes) => Some(bytes),
            Kind::Script(_) => None,
        }
    }

    /// Returns the source files of a script.
    #[must_use]
    pub fn files(&self) -> &[PathBuf] {
        match &self.0 {
            Kind::Component(_) => &[],
            Kind::Script(bundle) => &bundle.files,
        }
    }
}

/// Reads a component.
pub(crate) fn read_component(worker: &WorkerConfig) -> Result<Vec<u8>> {
    fs::read(&worker.main).map_err(|error| {
        let next = match &worker.build {
            Some(build) => format!("`build.command` (`{}`) did not create it", build.command),
            None => "build it first, or set `build.command`".to_owned(),
        };
        Error::code(format!(
            "{}: `main` is `{}`, which cannot be read: {error}; {next}",
            worker.path.display(),
            worker.main.display()
        ))
    })
}
