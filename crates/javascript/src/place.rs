//! The files that a script in a folder may include.

use crate::files::{Files, Given, Kind, Refusal};
use crate::folder::{self, Folder};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use taffrail_toolchain::Error;

/// The boundary of the files of a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Boundary {
    /// The files of the folder, of the workspace that contains it, and of each `node_modules`
    /// above: for the operator's own Workers.
    Project,
    /// The files of the folder.
    Folder,
    /// The main file alone.
    File,
}

/// The size of a file that is no part of a script: Cloudflare's limit for a Worker.
const FILE_BYTES: usize = 64 << 20;

/// The files of a script.
pub(crate) struct Place {
    pub(crate) files: Arc<dyn Files>,
    /// The main file.
    pub(crate) main: String,
    /// The folder of the Worker.
    pub(crate) folder: String,
    /// The path of their `/` on the host.
    pub(crate) root: PathBuf,
}

impl Place {
    /// Opens `main` within the boundary.
    pub(crate) fn open(
        boundary: Boundary,
        folder: &Path,
        main: &Path,
        limit: usize,
    ) -> Result<Self, Error> {
        let name = name_of(boundary, folder, main);
        let resolved = |path: &Path| {
            path.canonicalize()
                .map_err(|error| Error::new(format!("`{name}` cannot be read: {error}")))
        };
        let (folder, main) = (resolved(folder)?, resolved(main)?);
        let directory = main.parent().unwrap_or(&folder);
        let place = match boundary {
            Boundary::Project => Self {
                files: Arc::new(match main.starts_with(&folder) {
                    true => Folder::project(&folder)?,
                    false => Folder::project(directory)?,
                }),
                main: folder::utf8(&main)?,
                folder: folder::utf8(&folder)?,
                root: PathBuf::from("/"),
            },
            Boundary::Folder => Self {
                files: Arc::new(Folder::alone(&folder)?),
                main: main_in(&folder, &main).ok_or_else(|| {
                    Error::new(format!("`{name}` is not in the folder of the Worker"))
                })?,
                folder: "/".to_owned(),
                root: folder,
            },
            Boundary::File => Self::file(directory, &main, limit)?,
        };
        match place.files.kind(&place.main, true) {
            Some(Kind::File { size }) if size > limit as u64 => Err(Error::new(format!(
                "`{name}` has {size} bytes; it may have {limit}"
            ))),
            Some(Kind::File { .. }) => Ok(place),
            Some(Kind::Directory | Kind::Link) | None => {
                Err(Error::new(format!("`{name}` is not a regular file")))
            }
        }
    }

    /// Opens a single file without the rest of its directory.
    fn file(directory: &Path, file: &Path, limit: usize) -> Result<Self, Error> {
        let mut files = Given::default();
        let main = main_in(directory, file).unwrap_or_default();
        let contents = Folder::alone(directory)?.read(&main, limit);
        match contents {
            Ok(contents) => files.insert(main.clone(), contents),
            // An entry outside the boundary looks like one that is not a file.
            Err(Refusal::NotFound) => {}
            Err(Refusal::TooLarge) => {
                return Err(Error::new(format!(
                    "`{}` has more than {limit} bytes",
                    main.trim_start_matches('/')
                )));
            }
        }
        Ok(Self {
            files: Arc::new(files),
            main,
            folder: "/".to_owned(),
            root: directory.to_owned(),
        })
    }
}

/// Reads a file of the Worker in `folder`, if it is within the boundary.
///
/// # Errors
///
/// Fails if it is outside of the boundary, is not a regular file, or is too large.
pub fn read_file(boundary: Boundary, folder: &Path, file: &Path) -> Result<Arc<[u8]>, Error> {
    let place = Place::open(boundary, folder, file, FILE_BYTES)?;
    let contents = place.files.read(&place.main, FILE_BYTES);
    contents.map_err(|_| {
        let name = name_of(boundary, folder, file);
        Error::new(format!("`{name}` has changed; try again"))
    })
}

/// Returns the name of `main` for errors. Untrusted authors do not learn where their folder is.
fn name_of(boundary: Boundary, folder: &Path, main: &Path) -> String {
    let name = match boundary {
        Boundary::Project => main,
        Boundary::Folder => main.strip_prefix(folder).unwrap_or(Path::new("main")),
        Boundary::File => main.file_name().map_or(main, Path::new),
    };
    name.display().to_string()
}

fn main_in(folder: &Path, main: &Path) -> Option<String> {
    let path = Path::new("/").join(main.strip_prefix(folder).ok()?);
    Some(path.to_str()?.to_owned())
}
