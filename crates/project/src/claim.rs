//! The claim of one process on the directory with the data of Workers.

use crate::error::{Error, Result};
use std::fs::{self, DirBuilder, File, Permissions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

/// The file that is locked. It contains the id of the process.
const FILE: &str = "lock";

/// Keeps other processes from using a directory, until it is dropped or the process ends in any
/// way.
pub(crate) struct Claim {
    _locked: File,
}

impl Claim {
    /// Creates the directory if necessary, accessible to this user alone, and claims it.
    pub(crate) fn new(directory: &Path) -> Result<Self> {
        make(directory)
            .and_then(|()| claim(directory))
            .map_err(|error| {
                let shown = directory.display();
                Error::host(format!("the data directory `{shown}` cannot be used")).caused_by(error)
            })?
            .ok_or_else(|| in_use(directory))
    }
}

fn make(directory: &Path) -> io::Result<()> {
    if directory.is_dir() {
        return fs::set_permissions(directory, Permissions::from_mode(0o700));
    }
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(0o700).create(directory)
}

fn claim(directory: &Path) -> io::Result<Option<Claim>> {
    let path = directory.join(FILE);
    let mut file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(error)) => return Err(error),
    }
    file.set_len(0)?;
    writeln!(file, "{}", std::process::id())?;
    Ok(Some(Claim { _locked: file }))
}

fn in_use(directory: &Path) -> Error {
    let mut text = String::new();
    if let Ok(file) = File::open(directory.join(FILE)) {
        _ = file.take(20).read_to_string(&mut text);
    }
    let process = match text.trim().parse::<u32>() {
        Ok(id) => format!("the process {id}"),
        Err(_) => "another process".to_owned(),
    };
    Error::host(format!(
        "`{}` is in use by {process}, and only one process at a time may keep data there; stop that process first",
        directory.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_claimed_once_at_a_time() {
        let home = tempfile::tempdir().unwrap();
        let directory = home.path().join("a/b");
        let claim = Claim::new(&directory).unwrap();
        let mode = fs::metadata(&directory).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        let refused = Claim::new(&directory).err().unwrap().to_string();
        let owner = format!("is in use by the process {},", std::process::id());
        assert!(refused.contains(&owner), "{refused}");
        drop(claim);
        fs::set_permissions(&directory, Permissions::from_mode(0o755)).unwrap();
        let claim = Claim::new(&directory).unwrap();
        let mode = fs::metadata(&directory).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        drop(claim);
    }
}
