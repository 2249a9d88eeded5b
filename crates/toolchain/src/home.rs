//! The folder of one version of a language's tools.

use crate::error::Error;
use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// The folder of one version of some tools. It holds all of them or does not exist.
#[derive(Clone, Debug)]
pub struct Home {
    /// What the folder holds, for messages.
    tools: &'static str,
    path: PathBuf,
}

impl Home {
    /// The folder below `cache` of the tools that are made of `sources`: names and
    /// contents. Other versions may lie beside it.
    #[must_use]
    pub fn new<'a>(
        tools: &'static str,
        cache: &Path,
        sources: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    ) -> Self {
        Self {
            tools,
            path: cache.join(version(sources)),
        }
    }

    /// A folder beside it, for tools that only some uses need. Its name has another
    /// ending.
    #[must_use]
    pub fn with_extension(&self, extension: &str) -> Self {
        Self {
            tools: self.tools,
            path: self.path.with_extension(extension),
        }
    }

    /// Returns the name of the tools in messages.
    pub(crate) fn tools(&self) -> &'static str {
        self.tools
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the tools are there.
    #[must_use]
    pub fn exists(&self) -> bool {
        self.path.is_dir()
    }

    /// Makes the tools if they are missing: `make` is given an empty folder, and
    /// returns the folder to keep, which may be a part of it. One process makes
    /// them while others wait.
    ///
    /// # Errors
    ///
    /// Those of `make`, and when the folder cannot be written to.
    pub fn make(&self, make: impl FnOnce(&Path) -> Result<PathBuf, Error>) -> Result<(), Error> {
        if self.exists() {
            return Ok(());
        }
        let parent = self.path.parent().unwrap_or(Path::new("."));
        let unwritten = |error| unwritable(self.tools, parent, &error);
        fs::create_dir_all(parent).map_err(unwritten)?;
        let lock = File::create(parent.join("lock")).map_err(unwritten)?;
        lock.lock().map_err(unwritten)?;
        if self.exists() {
            return Ok(());
        }
        let work = TempDir::with_prefix_in("making-", parent).map_err(unwritten)?;
        let made = make(work.path())?;
        fs::rename(made, &self.path).map_err(|error| unwritable(self.tools, &self.path, &error))
    }
}

/// The error for a folder of `tools` that cannot be written to.
#[must_use]
pub fn unwritable(tools: &str, path: &Path, error: &io::Error) -> Error {
    Error::new(format!(
        "{tools} cannot be kept in `{}`: {error}; set XDG_CACHE_HOME to a writable directory",
        path.display()
    ))
}

/// A name for the version of some files that their names and contents decide.
pub fn version<'a>(files: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> String {
    let mut hash = Sha256::new();
    for (name, contents) in files {
        for part in [name.as_bytes(), contents] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
    }
    let mut version = String::new();
    for byte in &hash.finalize()[..8] {
        _ = write!(version, "{byte:02x}");
    }
    version
}
