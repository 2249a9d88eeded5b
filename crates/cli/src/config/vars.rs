//! Variables given on the command line.

use super::WorkerConfig;
use super::environment::list;
use crate::args::UsageError;

/// Lays `--var` arguments over the Workers' own variables, in order.
///
/// `KEY:VALUE` is for every Worker, `WORKER.KEY:VALUE` for the one of that name;
/// so a key has no dot in it. The value is a string and may be empty or hold colons.
///
/// Errors: an argument of another form, and a `WORKER` that was not given.
pub(crate) fn apply_vars<S: AsRef<str>>(
    workers: &mut [WorkerConfig],
    vars: &[S],
) -> Result<(), UsageError> {
    for var in vars {
        apply(workers, var.as_ref())?;
    }
    Ok(())
}

fn apply(workers: &mut [WorkerConfig], var: &str) -> Result<(), UsageError> {
    // The value may be a secret: messages stop before it, even if `=` was typed.
    let target = var.split([':', '=']).next().unwrap_or_default();
    let malformed = || {
        UsageError::new(format!(
            "--var {target}: expected KEY:VALUE or WORKER.KEY:VALUE, no dot in KEY"
        ))
    };
    let value = var[target.len()..]
        .strip_prefix(':')
        .ok_or_else(malformed)?;
    let (name, key) = match target.split_once('.') {
        Some((name, key)) => (Some(name), key),
        None => (None, target),
    };
    if name == Some("") || key.is_empty() || key.contains('.') {
        return Err(malformed());
    }
    let mut found = false;
    for worker in &mut *workers {
        if name.is_none_or(|name| name == worker.name) {
            found = true;
            worker.vars.insert(key.to_owned(), value.into());
        }
    }
    if found {
        return Ok(());
    }
    Err(UsageError::new(format!(
        "--var {target}: no Worker is named `{}`; the Workers given are {}",
        name.unwrap_or_default(),
        list(workers.iter().map(|worker| &worker.name))
    )))
}
