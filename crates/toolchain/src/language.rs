//! The interface that the languages share.

use crate::error::Error;
use std::path::{Path, PathBuf};

/// Builds components from the source files of Workers in one language.
pub trait Language: Send + Sync {
    /// Returns whether the tools are installed.
    fn is_installed(&self) -> bool;

    /// Fetches the tools if they are missing. This takes some seconds, and blocks.
    ///
    /// # Errors
    ///
    /// Fails if the tools cannot be fetched, if a program that they need is missing, or if the
    /// directory cannot be written to.
    fn install(&self) -> Result<(), Error>;

    /// Builds the component of the Worker whose main source file is `main`, unless it was built
    /// from the same files before. This takes some seconds, and blocks.
    ///
    /// # Errors
    ///
    /// Fails if the Worker has no handler, or if it cannot be compiled. The message is the
    /// compiler's own.
    fn build(&self, main: &Path) -> Result<Built, Error>;
}

/// A component, and the files that it was built from.
#[derive(Debug)]
pub struct Built {
    /// The bytes of the component.
    pub component: Vec<u8>,
    /// The source files.
    pub files: Vec<PathBuf>,
}
