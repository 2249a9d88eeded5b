//! Variables given on the command line.

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::WorkerConfig;
use super::environment::list;

/// Lays `--var` arguments over the Workers' own variables, in order.
///
/// `KEY:VALUE` is for every Worker, `WORKER.KEY:VALUE` for the one of that name;
/// so a key has no dot in it. The value is a string and may be empty or hold colons.
///
/// Errors: an argument of another form, and a `WORKER` that was not given.
pub(crate) fn apply_vars<S: AsRef<str>>(workers: &mut [WorkerConfig], vars: &[S]) -> Result<()> {
    for var in vars {
        apply(workers, var.as_ref())?;
    }
    Ok(())
}

fn apply(workers: &mut [WorkerConfig], var: &str) -> Result<()> {
    // The value may be a secret: messages stop before it, even if `=` was typed.
    let target = var.split([':', '=']).next().unwrap_or_default();
    let malformed =
        || format!("--var {target}: expected KEY:VALUE or WORKER.KEY:VALUE, no dot in KEY");
    let value = var[target.len()..]
        .strip_prefix(':')
        .with_context(malformed)?;
    let Some((name, key)) = target.split_once('.') else {
        ensure!(!target.is_empty(), malformed());
        for worker in workers {
            set(worker, target, value);
        }
        return Ok(());
    };
    ensure!(
        !name.is_empty() && !key.is_empty() && !key.contains('.'),
        malformed()
    );
    match workers.iter_mut().find(|worker| worker.name == name) {
        Some(worker) => set(worker, key, value),
        None => bail!(
            "--var {target}: no Worker is named `{name}`; the Workers given are {}",
            list(workers.iter().map(|worker| &worker.name))
        ),
    }
    Ok(())
}

fn set(worker: &mut WorkerConfig, key: &str, value: &str) {
    worker
        .vars
        .insert(key.to_owned(), Value::String(value.to_owned()));
}
