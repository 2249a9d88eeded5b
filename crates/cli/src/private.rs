//! Directories and sockets that other users of the machine cannot access.

use crate::progress;
use anyhow::{Context, Result, bail, ensure};
use directories::BaseDirs;
use std::ffi::OsString;
use std::fs::{self, DirBuilder, Metadata, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const OTHERS_MAY_WRITE: u32 = 0o022;
const ANYBODY_MAY_WRITE: u32 = 0o002;
const STICKY: u32 = 0o1000;

/// The directory for results that take long to produce: the JavaScript engine, and compiled code.
/// Its contents are executed without further checks.
pub(crate) enum Cache {
    Kept(PathBuf),
    /// A temporary directory, used if there is no place for a permanent one.
    Fresh(TempDir),
}

impl Cache {
    /// Finds the directory, and creates it if necessary.
    ///
    /// Fails if other users could have written to it.
    pub(crate) fn open() -> Result<Self> {
        let xdg = std::env::var_os("XDG_CACHE_HOME");
        let default = BaseDirs::new().map(|dirs| dirs.cache_dir().to_owned());
        let Some(directory) = cache_directory(xdg, default) else {
            return Self::fresh("there is no home directory");
        };
        if let Err(error) = make(&directory) {
            let shown = directory.display();
            return Self::fresh(&format!("`{shown}` cannot be created: {error}"));
        }
        check(&directory)?;
        Ok(Self::Kept(directory))
    }

    fn fresh(reason: &str) -> Result<Self> {
        progress::warning(&format!(
            "compiled components are not kept, since {reason}; set XDG_CACHE_HOME to a writable directory"
        ));
        let directory = tempfile::Builder::new().prefix("taffrail-").tempdir();
        let directory = directory.context("there is no place for temporary files")?;
        Ok(Self::Fresh(directory))
    }

    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Kept(path) => path,
            Self::Fresh(directory) => directory.path(),
        }
    }
}

/// Returns the cache directory for files by which processes find each other, and creates it if
/// necessary.
pub(crate) fn kept_cache() -> Result<PathBuf> {
    match Cache::open()? {
        Cache::Kept(directory) => Ok(directory),
        Cache::Fresh(_) => bail!(
            "there is no directory for the token, by which clients identify themselves; use the path of a socket"
        ),
    }
}

/// As in the XDG specification, a relative path is ignored.
fn cache_directory(xdg: Option<OsString>, default: Option<PathBuf>) -> Option<PathBuf> {
    let xdg = xdg.map(PathBuf::from).filter(|path| path.is_absolute());
    Some(xdg.or(default)?.join("taffrail"))
}

/// Creates a directory and its parents for this user alone. Existing directories are left
/// unchanged.
fn make(directory: &Path) -> io::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
}

/// Refuses a directory in which another user could place programs.
fn check(directory: &Path) -> Result<()> {
    let metadata = fs::metadata(directory)?;
    let shown = directory.display();
    ensure!(
        metadata.uid() == user()?,
        "`{shown}` belongs to another user, and its contents are executed; set XDG_CACHE_HOME to a directory of your own"
    );
    ensure!(
        metadata.mode() & OTHERS_MAY_WRITE == 0,
        "other users may write to `{shown}`, and its contents are executed; remove it, or set XDG_CACHE_HOME to a directory of your own"
    );
    for parent in fs::canonicalize(directory)?.ancestors().skip(1) {
        let mode = fs::metadata(parent)?.mode();
        ensure!(
            mode & ANYBODY_MAY_WRITE == 0 || mode & STICKY != 0,
            "other users may replace `{shown}`, since they may write to `{}`, and its contents are executed; set XDG_CACHE_HOME to a directory of your own",
            parent.display()
        );
    }
    Ok(())
}

/// Returns the user that this process runs as, who owns the files that it creates.
fn user() -> io::Result<u32> {
    Ok(tempfile::tempfile()?.metadata()?.uid())
}

/// Binds a socket that only this user may connect to. Nothing may exist at the path except a
/// socket that was left behind.
pub(crate) fn bind(path: &Path) -> Result<UnixListener> {
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    // In a directory that other users cannot enter, the permissions are set before anyone can
    // connect.
    let made = tempfile::Builder::new()
        .prefix(".t")
        .tempdir_in(parent.unwrap_or(Path::new(".")))?;
    let bound = made.path().join("s");
    let listener = UnixListener::bind(&bound)?;
    fs::set_permissions(&bound, Permissions::from_mode(0o600))?;
    match fs::hard_link(&bound, path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            check_left_behind(path, &fs::symlink_metadata(&bound)?)?;
            fs::rename(&bound, path)?;
        }
        linked => linked?,
    }
    Ok(listener)
}

/// Refuses a file that is not a socket of the owner of `own`, or that a process listens on.
fn check_left_behind(path: &Path, own: &Metadata) -> Result<()> {
    let found = fs::symlink_metadata(path)?;
    ensure!(
        found.file_type().is_socket(),
        "another file exists there; choose another path"
    );
    ensure!(
        found.uid() == own.uid(),
        "there is a socket of another user; choose another path"
    );
    match UnixStream::connect(path) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => Ok(()),
        Err(error) => Err(error.into()),
        Ok(_) => bail!("another process listens there; stop it, or choose another path"),
    }
}

/// Returns the device and inode of the file at a path.
pub(crate) fn identity(path: &Path) -> Option<(u64, u64)> {
    let metadata = fs::symlink_metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_is_where_xdg_says() {
        let find = |xdg: Option<&str>, default: Option<&str>| {
            cache_directory(xdg.map(OsString::from), default.map(PathBuf::from))
        };
        let at = |path: &str| Some(PathBuf::from(path));
        assert_eq!(find(Some("/x"), Some("/home/.cache")), at("/x/taffrail"));
        assert_eq!(find(Some("/x"), None), at("/x/taffrail"));
        for xdg in [None, Some(""), Some("x")] {
            assert_eq!(find(xdg, Some("/h")), at("/h/taffrail"));
            assert_eq!(find(xdg, None), None);
        }
    }

    #[test]
    fn a_directory_that_others_can_write_to_is_refused() {
        let home = tempfile::tempdir().unwrap();
        let cache = home.path().join("a/taffrail");
        make(&cache).unwrap();
        assert_eq!(fs::metadata(&cache).unwrap().mode() & 0o777, 0o700);
        check(&cache).unwrap();
        let refused = |path: &Path, mode| {
            fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
            check(&cache).unwrap_err().to_string()
        };
        assert!(refused(&cache, 0o777).starts_with("other users may write to"));
        assert!(refused(&cache, 0o770).starts_with("other users may write to"));
        fs::set_permissions(&cache, Permissions::from_mode(0o755)).unwrap();
        let parent = home.path().join("a");
        assert!(refused(&parent, 0o777).starts_with("other users may replace"));
        fs::set_permissions(&parent, Permissions::from_mode(0o1777)).unwrap();
        check(&cache).unwrap();
    }

    #[test]
    fn a_socket_is_put_where_nothing_else_is() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("control");
        let listener = bind(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        UnixStream::connect(&path).unwrap();
        let taken = bind(&path).unwrap_err().to_string();
        assert!(taken.starts_with("another process listens"), "{taken}");
        drop(listener);
        let again = bind(&path).unwrap();
        UnixStream::connect(&path).unwrap();
        drop(again);
        for name in ["file", "link"] {
            let other = home.path().join(name);
            match name {
                "link" => std::os::unix::fs::symlink(&path, &other).unwrap(),
                _ => fs::write(&other, "precious").unwrap(),
            }
            let refused = bind(&other).unwrap_err().to_string();
            assert!(
                refused.starts_with("another file exists there"),
                "{refused}"
            );
            assert!(fs::symlink_metadata(&other).is_ok());
        }
        let left: Vec<_> = fs::read_dir(home.path()).unwrap().collect();
        assert_eq!(left.len(), 3, "{left:?}");
    }
}
