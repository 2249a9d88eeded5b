//! Packages from the Python Package Index.

use crate::command::{not_fetched, run};
use crate::error::Error;
use std::path::Path;
use std::process::Command;

/// Installs `package`, a name with a version, into `folder`, with its programs in `folder/bin`.
/// `missing` is the advice if there is no Python.
///
/// # Errors
///
/// Fails if Python or pip is missing, or if the package cannot be fetched.
pub fn install_python_package(package: &str, folder: &Path, missing: &str) -> Result<(), Error> {
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "install", "--quiet", "--no-input"])
        .args(["--disable-pip-version-check", "--target"])
        .arg(folder)
        .arg(package);
    run(&mut pip, missing)?.map_err(|said| {
        let advice = not_fetched("the Python Package Index", "PIP_INDEX_URL");
        Error::new(format!("`pip install {package}` failed:\n{said}\n{advice}"))
    })
}
