//! Child processes.

use crate::error::Error;
use std::io::ErrorKind;
use std::process::{Command, Stdio};

/// Runs `command` to its end, and returns its stderr if it failed. `missing` is the advice if the
/// program does not exist.
pub(crate) fn run(command: &mut Command, missing: &str) -> Result<Result<(), String>, Error> {
    let program = command.get_program().display().to_string();
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| match error.kind() {
            ErrorKind::NotFound => Error::new(format!("there is no `{program}`: {missing}")),
            _ => Error::new(format!("`{program}` cannot be run: {error}")),
        })?;
    if output.status.success() {
        return Ok(Ok(()));
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Ok(Err(said.trim_end().to_owned()))
}
