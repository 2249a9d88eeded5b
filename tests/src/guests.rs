//! The guest components that tests run.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

/// The folders that hold guests, below the root of the repository.
const WORKSPACES: [&str; 2] = ["guest-examples/rust", "tests/guests"];

static BUILT: LazyLock<Result<Vec<PathBuf>, String>> =
    LazyLock::new(|| WORKSPACES.iter().map(|folder| build(folder)).collect());

/// The root of the repository.
#[must_use]
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap_or(Path::new("."))
}

/// The cache directory of a user who runs the tests, in which the JavaScript
/// engine is made once for all of them.
#[must_use]
pub fn cache_home() -> PathBuf {
    root().join("target/test-cache")
}

/// The component of a guest crate, built if need be.
///
/// # Panics
///
/// When the guests cannot be built, with the compiler's messages, and when
/// there is no such guest.
#[must_use]
pub fn component(guest: &str) -> PathBuf {
    let folders = match &*BUILT {
        Ok(folders) => folders,
        Err(message) => panic!("{message}"),
    };
    let file = format!("{}.wasm", guest.replace('-', "_"));
    folders
        .iter()
        .map(|folder| folder.join(&file))
        .find(|component| component.exists())
        .unwrap_or_else(|| panic!("no guest `{guest}` in {WORKSPACES:?}"))
}

fn build(folder: &str) -> Result<PathBuf, String> {
    let folder = root().join(folder);
    let output = Command::new(root().join("guest-examples/build.sh"))
        .arg(&folder)
        .output()
        .map_err(|error| format!("guest-examples/build.sh cannot be run: {error}"))?;
    if !output.status.success() {
        let messages = String::from_utf8_lossy(&output.stderr);
        return Err(format!(
            "the guests in {} cannot be built:\n{messages}",
            folder.display()
        ));
    }
    Ok(folder.join("target/wasm32-wasip2/release"))
}
