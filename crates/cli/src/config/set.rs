//! What only all the Workers of a run together can get wrong.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail};

use super::WorkerConfig;
use super::environment::list;

/// Checks the Workers of one run against each other.
///
/// Errors, with the files to change: two Workers of one name, a tail consumer
/// that is not among the Workers, and Workers that consume each other's tails in
/// a circle, where each item would make the next without end. A Worker that lists
/// itself is no such circle: what it does as a tail consumer is not handed to it
/// again.
pub(crate) fn check_set(workers: &[WorkerConfig]) -> Result<()> {
    let mut by_name = BTreeMap::new();
    for worker in workers {
        if let Some(other) = by_name.insert(worker.name.as_str(), worker) {
            bail!(
                "two Workers are named `{}`: {} and {}; give each Worker once and under a `name` of its own",
                worker.name,
                other.path.display(),
                worker.path.display()
            );
        }
    }
    for worker in workers {
        for consumer in &worker.tail_consumers {
            if !by_name.contains_key(consumer.as_str()) {
                bail!(
                    "{}: `tail_consumers` has the service `{consumer}`, which is not among the Workers given ({}); pass its directory too",
                    worker.path.display(),
                    list(workers.iter().map(|worker| &worker.name))
                );
            }
        }
    }
    check_tails_end(workers, &by_name)
}

fn check_tails_end(
    workers: &[WorkerConfig],
    by_name: &BTreeMap<&str, &WorkerConfig>,
) -> Result<()> {
    let mut ended = BTreeSet::new();
    for worker in workers {
        if let Some(cycle) = find_cycle(worker, by_name, &mut Vec::new(), &mut ended) {
            let names: Vec<_> = cycle.iter().map(|worker| worker.name.as_str()).collect();
            let files: Vec<_> = cycle[1..]
                .iter()
                .map(|worker| worker.path.display().to_string())
                .collect();
            bail!(
                "the tail consumers form a cycle: {}; take one of them out of its `tail_consumers` in {}",
                names.join(" → "),
                files.join(" or ")
            );
        }
    }
    Ok(())
}

/// Follows the tail consumers of `worker`, which `path` led to, until one of them
/// is on the path already. `ended` holds the Workers known to lead into no cycle.
fn find_cycle<'a>(
    worker: &'a WorkerConfig,
    by_name: &BTreeMap<&str, &'a WorkerConfig>,
    path: &mut Vec<&'a WorkerConfig>,
    ended: &mut BTreeSet<&'a str>,
) -> Option<Vec<&'a WorkerConfig>> {
    if let Some(start) = path.iter().position(|earlier| earlier.name == worker.name) {
        let mut cycle = path.split_off(start);
        cycle.push(worker);
        return Some(cycle);
    }
    if ended.contains(worker.name.as_str()) {
        return None;
    }
    path.push(worker);
    let others = worker
        .tail_consumers
        .iter()
        .filter(|consumer| **consumer != worker.name)
        .filter_map(|consumer| by_name.get(consumer.as_str()));
    for consumer in others {
        if let Some(cycle) = find_cycle(consumer, by_name, path, ended) {
            return Some(cycle);
        }
    }
    path.pop();
    ended.insert(&worker.name);
    None
}
