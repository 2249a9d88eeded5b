//! Variables given on the command line.

use super::WorkerConfig;
use super::target::Target;
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
        let var = var.as_ref();
        // The value may be a secret: messages stop before it, even if `=` was typed.
        let given = var.split([':', '=']).next().unwrap_or_default();
        apply(workers, given, &var[given.len()..])
            .map_err(|error| UsageError::new(format!("--var {given}: {error}")))?;
    }
    Ok(())
}

fn apply(workers: &mut [WorkerConfig], given: &str, value: &str) -> Result<(), String> {
    let (Some(value), Some(target)) = (value.strip_prefix(':'), Target::parse(given)) else {
        return Err("expected KEY:VALUE or WORKER.KEY:VALUE, no dot in KEY".to_owned());
    };
    for worker in target.workers(workers)? {
        worker.vars.insert(target.key.to_owned(), value.into());
    }
    Ok(())
}
