//! Components that were built before.

use crate::error::Error;
use crate::home::{Home, unwritable};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// The largest number of built components that are kept.
const KEPT: usize = 32;

/// The components that the tools of one language have built, by the version of their files.
#[derive(Clone, Debug)]
pub struct Builds {
    tools: &'static str,
    folder: PathBuf,
}

impl Builds {
    /// Keeps components in the folder of the tools.
    #[must_use]
    pub fn new(home: &Home) -> Self {
        Self {
            tools: home.tools(),
            folder: home.path().join("built"),
        }
    }

    /// Returns the component of this version, and builds it if there is none yet.
    ///
    /// # Errors
    ///
    /// Those of `build`, and if the folder cannot be written to.
    pub fn get_or_build(
        &self,
        version: &str,
        build: impl FnOnce() -> Result<Vec<u8>, Error>,
    ) -> Result<Vec<u8>, Error> {
        let component = self.folder.join(version).with_extension("wasm");
        if let Ok(bytes) = fs::read(&component) {
            return Ok(bytes);
        }
        let bytes = build()?;
        let kept = keep(&self.folder, &component, &bytes);
        kept.map_err(|error| unwritable(self.tools, &self.folder, &error))?;
        Ok(bytes)
    }
}

fn keep(folder: &Path, component: &Path, bytes: &[u8]) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let mut file = NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.persist(component).map_err(|error| error.error)?;
    remove_oldest(folder)
}

/// Removes all but the newest components of a folder.
fn remove_oldest(folder: &Path) -> io::Result<()> {
    let mut components = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        components.push((entry.metadata()?.modified()?, entry.path()));
    }
    components.sort();
    let excess = components.len().saturating_sub(KEPT);
    for (_, component) in &components[..excess] {
        fs::remove_file(component)?;
    }
    Ok(())
}
