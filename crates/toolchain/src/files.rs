//! Folders of files that are part of the program.

use include_dir::Dir;
use std::fs;
use std::io;
use std::path::Path;

/// Adds the files of a folder to `files`, by their paths in it.
pub fn add_files(folder: &'static Dir, files: &mut Vec<(&'static str, &'static [u8])>) {
    for file in folder.files() {
        files.push((file.path().to_str().unwrap_or_default(), file.contents()));
    }
    for folder in folder.dirs() {
        add_files(folder, files);
    }
}

/// Writes the files of a folder to `path`, which is created.
///
/// # Errors
///
/// Fails if a file cannot be written.
pub fn write_files(folder: &Dir, path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)?;
    folder.extract(path)
}
