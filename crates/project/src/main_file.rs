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
    Component {
        bytes: Bytes,
        /// What it was made of, if it was made here.
        files: Vec<PathBuf>,
    },
    Script(Arc<Bundle>),
}

impl Main {
    /// Returns the bytes of a component.
    #[must_use]
    pub fn component(&self) -> Option<&[u8]> {
        match &self.0 {
            Kind::Component { bytes, .. } => Some(bytes),
            Kind::Script(_) => None,
        }
    }

    /// Returns the source files of a script, or of a component that was built from them.
    #[must_use]
    pub fn files(&self) -> &[PathBuf] {
        match &self.0 {
            Kind::Component { files, .. } => files,
            Kind::Script(bundle) => &bundle.files,
        }
    }
}

/// Reads the component of a Worker that was built before.
pub(crate) fn read_component(worker: &WorkerConfig) -> Result<Kind> {
    let bytes = fs::read(&worker.main).map_err(|error| {
        let next = match &worker.build {
            Some(build) => format!("`build.command` (`{}`) did not create it", build.command),
            None => "build it first, or set `build.command`".to_owned(),
        };
        Error::code(format!(
            "{}: `main` is `{}`, which cannot be read: {error}; {next}",
            worker.path.display(),
            worker.main.display()
        ))
    })?;
    Ok(Kind::Component {
        bytes: bytes.into(),
        files: Vec::new(),
    })
}
