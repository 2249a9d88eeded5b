//! The files that the component of a Worker is made of.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use taffrail_toolchain::Error;

/// The largest number of files that a Worker may have, including its packages.
const FILES: usize = 10_000;

/// The folder of packages that `pywrangler` fills.
const PACKAGES: &str = "python_modules";

/// A Worker in Python: the file that its configuration names, and every Python file in the same
/// folder and below.
#[derive(Clone, Debug)]
pub struct Sources {
    main: PathBuf,
    folder: PathBuf,
    files: Vec<PathBuf>,
}

impl Sources {
    /// Finds the files of the Worker with this `main`.
    ///
    /// # Errors
    ///
    /// Fails if they cannot be read, or if there are more than 10,000.
    pub fn of(main: &Path) -> Result<Self, Error> {
        let unread =
            |error: io::Error| Error::new(format!("`{}` cannot be read: {error}", main.display()));
        let main = main.canonicalize().map_err(unread)?;
        let folder = main.parent().unwrap_or(Path::new("/")).to_owned();
        let mut files = Vec::new();
        collect(&folder, &mut files)?;
        files.sort();
        Ok(Self {
            main,
            folder,
            files,
        })
    }

    /// Returns the files.
    #[must_use]
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    pub(crate) fn main(&self) -> &Path {
        &self.main
    }

    /// Returns the name by which Python imports `main`.
    pub(crate) fn module(&self) -> Result<&str, Error> {
        let stem = self.main.file_stem().and_then(|stem| stem.to_str());
        let is_name = |name: &&str| {
            let mut chars = name.chars();
            let first = chars.next().unwrap_or('0');
            (first.is_ascii_alphabetic() || first == '_')
                && chars.all(|char| char.is_ascii_alphanumeric() || char == '_')
        };
        stem.filter(is_name).ok_or_else(|| {
            Error::new(format!(
                "`{}` is not a name that Python can import: use letters, digits and `_`, and `.py`",
                self.main.display()
            ))
        })
    }

    /// Returns the folders in which Python looks for modules.
    pub(crate) fn path(&self) -> Vec<PathBuf> {
        let packages = self.folder.join(PACKAGES);
        let packages = packages.is_dir().then_some(packages);
        [self.folder.clone()].into_iter().chain(packages).collect()
    }

    /// Returns the version of the files, wherever their folder is.
    pub(crate) fn version(&self) -> Result<String, Error> {
        let mut contents = Vec::new();
        for file in [&self.main].into_iter().chain(&self.files) {
            let text = fs::read(file).map_err(|error| {
                Error::new(format!("`{}` cannot be read: {error}", file.display()))
            })?;
            let name = file.strip_prefix(&self.folder).unwrap_or(file);
            contents.push((name.to_string_lossy(), text));
        }
        let files = contents.iter().map(|(name, text)| (&**name, &**text));
        Ok(taffrail_toolchain::version(files))
    }
}

/// Adds the Python files of a folder and of those below it, except hidden folders and virtual
/// environments.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Error> {
    let unread =
        |error: io::Error| Error::new(format!("`{}` cannot be read: {error}", folder.display()));
    for entry in fs::read_dir(folder).map_err(unread)? {
        let entry = entry.map_err(unread)?;
        let kind = entry.file_type().map_err(unread)?;
        let (path, name) = (entry.path(), entry.file_name());
        let is_hidden = name.as_encoded_bytes().starts_with(b".");
        if kind.is_dir() && !is_hidden && name != "__pycache__" && !is_environment(&path) {
            collect(&path, files)?;
        } else if kind.is_file() && path.extension().is_some_and(|ending| ending == "py") {
            files.push(path);
        }
        if files.len() > FILES {
            return Err(Error::new(format!(
                "`{}` has more than {FILES} Python files: give the Worker a folder of its own",
                folder.display()
            )));
        }
    }
    Ok(())
}

fn is_environment(folder: &Path) -> bool {
    folder.join("pyvenv.cfg").exists()
}
