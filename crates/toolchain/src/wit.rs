//! The WIT package from which bindings are generated.

use include_dir::{Dir, include_dir};

/// The folder `wit`: the package `taffrail:workers` with the packages that it depends on.
pub static WIT: Dir = include_dir!("$CARGO_MANIFEST_DIR/../../wit");

/// Adds the files of a folder to `files`, by their paths in it.
pub fn add_files(folder: &'static Dir, files: &mut Vec<(&'static str, &'static [u8])>) {
    for file in folder.files() {
        files.push((file.path().to_str().unwrap_or_default(), file.contents()));
    }
    for folder in folder.dirs() {
        add_files(folder, files);
    }
}
