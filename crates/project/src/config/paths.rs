//! Paths in a configuration.

use std::path::{Path, PathBuf};

/// Returns the directory of a file: `.` for a bare file name.
pub(super) fn directory_of(file: &Path) -> PathBuf {
    match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Returns `path` relative to `dir`, without `.` components.
pub(super) fn below(dir: &Path, path: &Path) -> PathBuf {
    dir.join(path).components().collect()
}
