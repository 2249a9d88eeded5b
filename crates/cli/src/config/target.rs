//! Which Workers an argument of the command line is for.

use super::WorkerConfig;
use super::environment::list;

/// `KEY`, for every Worker, or `WORKER.KEY`, for one. A key has no dot in it.
pub(super) struct Target<'a> {
    worker: Option<&'a str>,
    pub(super) key: &'a str,
}

impl<'a> Target<'a> {
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let (worker, key) = match text.split_once('.') {
            Some((worker, key)) => (Some(worker), key),
            None => (None, text),
        };
        let is_whole = !key.is_empty() && !key.contains('.') && worker != Some("");
        is_whole.then_some(Self { worker, key })
    }

    /// The Workers that it is for.
    ///
    /// Errors: the Worker named is not among those given.
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
