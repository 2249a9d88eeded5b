//! The Go module of a Worker, which its folder need not have.

use serde_json::json;
use std::fs;
use std::io;
use std::path::Path;

/// The module of a Worker whose folder has none.
const MODULE: &str = "module worker\n\ngo 1.27\n";

/// The file in the folder of a module.
pub(crate) const FILE: &str = "go.mod";

/// Writes a `go.mod` that has the package `workers` in addition to what the one in `folder` has, and
/// an overlay that puts it there for the compiler. Returns the text of the overlay.
pub(crate) fn overlay(folder: &Path, package: &Path, work: &Path) -> io::Result<String> {
    let original = folder.join(FILE);
    let mut module = match fs::read_to_string(&original) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => MODULE.to_owned(),
        Err(error) => return Err(error),
    };
    // A string of JSON is one of Go.
    let package = json!(package.to_string_lossy());
    module.push_str(&format!(
        "\nrequire taffrail.dev/workers v0.0.0\n\nreplace taffrail.dev/workers => {package}\n"
    ));
    let replacement = work.join(FILE);
    fs::write(&replacement, module)?;
    let (from, to) = (original.to_string_lossy(), replacement.to_string_lossy());
    Ok(json!({ "Replace": { from: to } }).to_string())
}
