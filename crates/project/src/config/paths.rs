//! Paths as they stand in a configuration.

use std::path::{Path, PathBuf};

/// The directory that a file stands in, `.` for a bare file name.
pub(super) fn directory_of(file: &Path) -> PathBuf {
    match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// `path` as seen from `dir`, without `.` on the way.
pub(super) fn below(dir: &Path, path: &Path) -> PathBuf {
    dir.join(path).components().collect()
}
