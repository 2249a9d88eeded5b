//! The debug information of a component.

mod dwarf;
mod embedded;
mod file;

pub(crate) use crate::component::debug::dwarf::Symbol;
pub(super) use crate::component::debug::embedded::Embedded;
use crate::component::debug::file::DebugFile;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The debug information of a component: that in it, and that in a file beside it. It is parsed
/// when it is first needed, and kept.
pub(crate) struct Debug {
    embedded: Arc<Embedded>,
    file: Option<DebugFile>,
}

impl Debug {
    /// Creates it from the debug information in the component.
    pub(super) fn new(embedded: Arc<Embedded>) -> Self {
        Self {
            embedded,
            file: None,
        }
    }

    /// Adds a file beside `path`, from which the component was read. `read` reads the file.
    pub(crate) fn with_file(
        mut self,
        component: &[u8],
        path: &Path,
        read: impl Fn(&Path) -> io::Result<Arc<[u8]>> + Send + Sync + 'static,
    ) -> Self {
        self.file = Some(DebugFile::new(component, path, Box::new(read)));
        self
    }

    /// Returns the symbols of an offset in the component, the innermost inlined function first.
    pub(crate) fn symbols(&self, offset: usize) -> Vec<Symbol> {
        let embedded = self.embedded.symbols(offset);
        match &self.file {
            Some(file) if embedded.is_empty() => file.symbols(offset),
            _ => embedded,
        }
    }

    /// Whether the component has debug information in it.
    pub(super) fn is_embedded(&self) -> bool {
        !self.embedded.is_empty()
    }

    /// Returns the file beside the component from which symbols are read, or else one that is
    /// there and why it has none.
    pub(super) fn found(&self) -> Option<(PathBuf, Option<String>)> {
        self.file.as_ref()?.found()
    }
}
