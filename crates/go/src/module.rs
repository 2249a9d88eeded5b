//! The Go module of a Worker, which its folder need not have.

use std::fs;
use std::io;
use std::path::Path;

/// The module of a Worker whose folder has none.
const MODULE: &str = "module worker\n\ngo 1.27\n";

/// Writes a `go.mod` that has the package `workers` in addition to what the one in `folder` has, and
/// an overlay that puts it there for the compiler. Returns the text of the overlay.
pub(crate) fn overlay(folder: &Path, package: &Path, work: &Path) -> io::Result<String> {
    let original = folder.join("go.mod");
    let mut module = match fs::read_to_string(&original) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => MODULE.to_owned(),
        Err(error) => return Err(error),
    };
    module.push_str(&format!(
        "\nrequire taffrail.dev/workers v0.0.0\n\nreplace taffrail.dev/workers => {:?}\n",
        package.display().to_string()
    ));
    let replacement = work.join("go.mod");
    fs::write(&replacement, module)?;
    let (from, to) = (
        original.display().to_string(),
        replacement.display().to_string(),
    );
    Ok(format!("{{\"Replace\": {{{from:?}: {to:?}}}}}"))
}
