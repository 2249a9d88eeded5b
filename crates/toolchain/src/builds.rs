//! Components that were built before.

use crate::error::Error;
use crate::home::{Home, unwritable};
use crate::language::Built;
use crate::sources::Sources;
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use tempfile::{NamedTempFile, TempDir};

/// The largest number of built components that are kept.
const KEPT: usize = 32;

impl Home {
    /// Builds a component from these files, unless it was built from the same files before.
    /// `compile` is given an empty folder for its own files.
    ///
    /// # Errors
    ///
    /// Those of `compile`, and if the files cannot be read or the component cannot be kept.
    pub fn build(
        &self,
        sources: &Sources,
        compile: impl FnOnce(&Path) -> Result<Vec<u8>, Error>,
    ) -> Result<Built, Error> {
        let kept = self.path().join("built").join(sources.version()?);
        let component = match fs::read(&kept) {
            Ok(component) => component,
            Err(_) => {
                let unwritten = |error| unwritable(self.tools(), self.path(), &error);
                let work = TempDir::with_prefix_in("worker-", self.path()).map_err(unwritten)?;
                let component = compile(work.path())?;
                keep(&kept, &component).map_err(unwritten)?;
                component
            }
        };
        Ok(Built {
            component,
            files: sources.files().to_vec(),
        })
    }
}

fn keep(file: &Path, component: &[u8]) -> io::Result<()> {
    let folder = file.parent().unwrap_or(file);
    fs::create_dir_all(folder)?;
    let mut written = NamedTempFile::new_in(folder)?;
    written.write_all(component)?;
    written.persist(file).map_err(|error| error.error)?;
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
