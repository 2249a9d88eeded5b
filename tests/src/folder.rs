//! Folders of Workers that tests make up.

use crate::guests;
use std::fs;
use std::path::Path;
use tempfile::TempDir;

/// A folder for Workers that a test makes up.
pub struct Folder(TempDir);

impl Default for Folder {
    fn default() -> Self {
        Self::new()
    }
}

impl Folder {
    /// An empty folder, which is gone when it is dropped.
    ///
    /// # Panics
    ///
    /// When there is no room for it.
    #[must_use]
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes a file, and the folders on the way to it.
    ///
    /// # Panics
    ///
    /// When it cannot be written.
    pub fn write(&self, name: &str, contents: impl AsRef<[u8]>) -> &Self {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, contents).unwrap();
        self
    }

    /// Makes the folder of a Worker that runs a guest: its `wrangler.toml` has
    /// the name of the folder and `more`.
    pub fn worker(&self, name: &str, guest: &str, more: &str) -> &Self {
        let main = guests::component(guest);
        let text = format!("name = \"{name}\"\nmain = {main:?}\n{more}\n");
        self.write(&format!("{name}/wrangler.toml"), text)
    }

    /// Makes the folder of a Worker that is a script, like
    /// [`worker`](Self::worker).
    pub fn script(&self, name: &str, source: &str, more: &str) -> &Self {
        let config = format!("name = \"{name}\"\nmain = \"worker.js\"\n{more}\n");
        self.write(&format!("{name}/worker.js"), source)
            .write(&format!("{name}/wrangler.toml"), config)
    }
}
