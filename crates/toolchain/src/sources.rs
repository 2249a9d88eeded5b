//! The source files of a Worker.

use crate::error::Error;
use crate::home::version;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The largest number of source files that a Worker may have, including its packages.
const FILES: usize = 10_000;

/// The source files of a Worker: the file that its configuration names, and every file of the
/// language in its folder and below.
#[derive(Clone, Debug)]
pub struct Sources {
    main: PathBuf,
    folder: PathBuf,
    files: Vec<PathBuf>,
}

impl Sources {
    /// Finds the files with one of `extensions` of the Worker with this `main`: those in its folder
    /// and below, or in the nearest folder above that has the file `root`. Hidden folders and
    /// virtual environments are ignored.
    ///
    /// # Errors
    ///
    /// Fails if they cannot be read, or if there are more than 10,000.
    pub fn of(main: &Path, root: Option<&str>, extensions: &[&str]) -> Result<Self, Error> {
        let main = main.canonicalize().map_err(unread(main))?;
        let own = main.parent().unwrap_or(Path::new("/"));
        let has_root = |folder: &&Path| root.is_some_and(|root| folder.join(root).is_file());
        let folder = own.ancestors().find(has_root).unwrap_or(own).to_owned();
        let mut files = Vec::new();
        collect(&folder, extensions, &mut files)?;
        files.sort();
        Ok(Self {
            main,
            folder,
            files,
        })
    }

    /// Returns the file that the configuration names, as an absolute path.
    #[must_use]
    pub fn main(&self) -> &Path {
        &self.main
    }

    /// Returns the folder that has all files.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns all files, sorted.
    #[must_use]
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// Returns the version of the files, which does not depend on the location of their folder.
    ///
    /// # Errors
    ///
    /// Fails if a file cannot be read.
    pub fn version(&self) -> Result<String, Error> {
        let mut contents = Vec::new();
        for file in [&self.main].into_iter().chain(&self.files) {
            let text = fs::read(file).map_err(unread(file))?;
            let name = file.strip_prefix(&self.folder).unwrap_or(file);
            contents.push((name.to_string_lossy(), text));
        }
        let files = contents.iter().map(|(name, text)| (&**name, &**text));
        Ok(version(files))
    }
}

fn unread(path: &Path) -> impl Fn(io::Error) -> Error {
    move |error| Error::new(format!("`{}` cannot be read: {error}", path.display()))
}

/// Adds the files of a folder and of those below it.
fn collect(folder: &Path, extensions: &[&str], files: &mut Vec<PathBuf>) -> Result<(), Error> {
    for entry in fs::read_dir(folder).map_err(unread(folder))? {
        let entry = entry.map_err(unread(folder))?;
        let kind = entry.file_type().map_err(unread(folder))?;
        let (path, name) = (entry.path(), entry.file_name());
        let is_hidden = name.as_encoded_bytes().starts_with(b".");
        let is_source = |path: &Path| {
            let extension = path.extension().unwrap_or_default();
            extensions.iter().any(|wanted| extension == *wanted)
        };
        if kind.is_dir() && !is_hidden && name != "__pycache__" && !is_environment(&path) {
            collect(&path, extensions, files)?;
        } else if kind.is_file() && is_source(&path) {
            files.push(path);
        }
        if files.len() > FILES {
            return Err(Error::new(format!(
                "`{}` has more than {FILES} source files: give the Worker a folder of its own",
                folder.display()
            )));
        }
    }
    Ok(())
}

fn is_environment(folder: &Path) -> bool {
    folder.join("pyvenv.cfg").exists()
}
