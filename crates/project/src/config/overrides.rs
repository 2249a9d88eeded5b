//! Overrides the variables and limits of configurations.

use crate::error::{Error, Result};

use super::quote::list;
use super::worker::WorkerConfig;

/// A key of the form `KEY`, for every Worker, or `WORKER.KEY`, for one. `KEY` has no dot.
pub(super) struct OverrideKey<'a> {
    worker: Option<&'a str>,
    pub(super) key: &'a str,
}

impl<'a> OverrideKey<'a> {
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let (worker, key) = match text.split_once('.') {
            Some((worker, key)) => (Some(worker), key),
            None => (None, text),
        };
        let is_whole = !key.is_empty() && !key.contains('.') && worker != Some("");
        is_whole.then_some(Self { worker, key })
    }

    /// Returns the Workers that the key applies to.
    ///
    /// Fails if the named Worker is not among those given.
    pub(super) fn workers<'w>(
        &self,
        workers: &'w mut [WorkerConfig],
    ) -> Result<&'w mut [WorkerConfig], String> {
        let Some(name) = self.worker else {
            return Ok(workers);
        };
        match workers.iter().position(|worker| worker.name == name) {
            Some(position) => Ok(&mut workers[position..=position]),
            None => Err(format!(
                "no Worker is named `{name}`; the Workers given are {}",
                list(workers.iter().map(|worker| &worker.name))
            )),
        }
    }
}

/// Overrides variables of the Workers, in order.
///
/// `KEY:VALUE` applies to every Worker, `WORKER.KEY:VALUE` to the one of that name, so a key has
/// no dot. The value is a string, which may be empty or contain colons.
///
/// # Errors
///
/// Fails for a variable of another form, and for a `WORKER` that was not given.
pub fn apply_vars<S: AsRef<str>>(workers: &mut [WorkerConfig], vars: &[S]) -> Result<()> {
    for var in vars {
        let var = var.as_ref();
        // The value may be a secret, so messages end before it, even if `=` was typed instead of
        // `:`.
        let given = var.split([':', '=']).next().unwrap_or_default();
        apply_var(workers, given, &var[given.len()..])
            .map_err(|error| Error::configuration(format!("{given}: {error}")))?;
    }
    Ok(())
}

fn apply_var(workers: &mut [WorkerConfig], given: &str, value: &str) -> Result<(), String> {
    let (Some(value), Some(target)) = (value.strip_prefix(':'), OverrideKey::parse(given)) else {
        return Err("expected KEY:VALUE or WORKER.KEY:VALUE, no dot in KEY".to_owned());
    };
    for worker in target.workers(workers)? {
        worker.vars.insert(target.key.to_owned(), value.into());
    }
    Ok(())
}

/// Overrides limits of the Workers, in order.
///
/// `KEY=VALUE` applies to every Worker, `WORKER.KEY=VALUE` to the one of that name.
///
/// # Errors
///
/// Fails for a limit of another form, an unknown limit, a value out of range, and a `WORKER` that
/// was not given.
pub fn apply_limits<S: AsRef<str>>(workers: &mut [WorkerConfig], limits: &[S]) -> Result<()> {
    for limit in limits {
        let limit = limit.as_ref();
        apply_limit(workers, limit)
            .map_err(|error| Error::configuration(format!("{limit}: {error}")))?;
    }
    Ok(())
}

fn apply_limit(workers: &mut [WorkerConfig], limit: &str) -> Result<(), String> {
    let expected = "expected KEY=VALUE or WORKER.KEY=VALUE";
    let (target, value) = limit.split_once('=').ok_or(expected)?;
    let target = OverrideKey::parse(target).ok_or(expected)?;
    for worker in target.workers(workers)? {
        let (place, max) = worker.limits.get_mut(target.key).ok_or_else(|| {
            format!(
                "there is no limit `{}`; the limits are cpu_ms, subrequests, memory_mb, wall_ms, wait_until_ms and instances",
                target.key
            )
        })?;
        let number = value.parse().unwrap_or(0);
        if !(1..=max).contains(&number) {
            return Err(format!("`{value}` is not a whole number from 1 to {max}"));
        }
        *place = Some(number);
    }
    Ok(())
}
