//! The tools that compile and bundle Workers.

use crate::error::Result;
use crate::javascript::JavaScript;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use taffrail_runtime::Compiler;

/// The size of the pool of instances that the projects share.
const INSTANCES: u32 = 1000;

/// The compiler, the bundler and the JavaScript engine, loaded once for several projects
/// in one process.
///
/// A cheap handle: clones share everything.
#[derive(Clone)]
pub struct Tools {
    pub(crate) compiler: Compiler,
    pub(crate) javascript: Arc<JavaScript>,
}

impl Tools {
    /// Creates tools that keep the JavaScript engine and compiled code in `cache`.
    ///
    /// # Errors
    ///
    /// Fails if the cache cannot be used, or if the system has no address space for the
    /// pool of instances.
    pub fn new(cache: &Path) -> Result<Self> {
        Ok(Self {
            compiler: Compiler::new(Some(&components(cache)), INSTANCES)?,
            javascript: Arc::new(JavaScript::new(cache, Arc::new(()))),
        })
    }

    /// Returns the compiler of components.
    #[must_use]
    pub fn compiler(&self) -> &Compiler {
        &self.compiler
    }
}

/// Returns the directory for compiled components.
pub(crate) fn components(cache: &Path) -> PathBuf {
    cache.join("components")
}
