//! Child processes.

use crate::error::Error;
use std::io::ErrorKind;
use std::process::{Command, Stdio};

/// Runs `command` to its end. The inner error is what it wrote to stderr before it
/// failed. `missing` is the advice if there is no such program.
///
/// # Errors
///
/// When the program cannot be started.
pub fn run(command: &mut Command, missing: &str) -> Result<Result<(), String>, Error> {
    Ok(output(command, missing)?.map(drop))
}

/// Does the same, and returns what the command wrote to stdout.
///
/// # Errors
///
/// When the program cannot be started.
pub fn output(command: &mut Command, missing: &str) -> Result<Result<String, String>, Error> {
    let program = command.get_program().display().to_string();
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| match error.kind() {
            ErrorKind::NotFound => Error::new(format!("there is no `{program}`: {missing}")),
            _ => Error::new(format!("`{program}` cannot be run: {error}")),
        })?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
    Ok(match output.status.success() {
        true => Ok(text(&output.stdout)),
        false => Err(text(&output.stderr)),
    })
}

/// Returns the advice if tools could not be fetched from `registry`. `variable` is the environment
/// variable that names a mirror.
#[must_use]
pub fn not_fetched(registry: &str, variable: &str) -> String {
    format!(
        "The tools are fetched once. If there is no connection to {registry}, try again with one, or set {variable} to a mirror"
    )
}
