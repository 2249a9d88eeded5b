//! Checks that concern all Workers of a run together.

use std::collections::BTreeMap;

use crate::error::{Result, bail};
use taffrail_runtime::{Binding, DispatchNamespace, Egress, Target, WorkerId, tail_cycle};

use super::quote::list;
use super::worker::WorkerConfig;

/// What becomes of Workers with a tail consumer that is not among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissingTail {
    /// They are refused.
    Refuse,
    /// They run, and its items are counted as lost.
    Warn,
}

/// A Worker that a configuration names, as an error says it.
struct Named<'a> {
    target: &'a Target,
    says: String,
    is_tail: bool,
}

/// Checks the Workers of one run against each other, and returns warnings.
///
/// A Worker may list itself as its tail consumer: it does not receive the items of its own tail
/// events.
///
/// # Errors
///
/// Fails if two Workers have the same name, if a tail consumer or a service is not among the
/// Workers, and if the tail consumers form a cycle, in which each item would cause another one
/// endlessly. The message names the files to change.
pub fn check_set(workers: &[WorkerConfig], missing_tail: MissingTail) -> Result<Vec<String>> {
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
    let given = list(workers.iter().map(|worker| &worker.name));
    let mut warnings = Vec::new();
    for worker in workers {
        for named in named(worker) {
            let name = named.target.worker.deployed_name();
            if name.is_some_and(|name| by_name.contains_key(name)) {
                continue;
            }
            let missing = format!(
                "{}: {} the service `{}`, which is not among the Workers given ({given})",
                worker.path.display(),
                named.says,
                named.target.worker,
            );
            if !named.is_tail || missing_tail == MissingTail::Refuse {
                bail!("{missing}; pass its directory too");
            }
            let warning = format!("{missing}: the items for it are lost. Pass its directory too");
            if !warnings.contains(&warning) {
                warnings.push(warning);
            }
        }
    }
    check_namespaces(workers)?;
    check_tails_end(workers, &by_name)?;
    Ok(warnings)
}

/// The Workers that the configuration of one names.
fn named(worker: &WorkerConfig) -> Vec<Named<'_>> {
    let of_key = |key: &'static str| {
        move |target| Named {
            target,
            says: format!("`{key}` of Worker `{}` has", worker.name),
            is_tail: true,
        }
    };
    let streaming = worker.streaming_tail_consumers.iter();
    let tails = (worker.tail_consumers.iter().map(of_key("tail_consumers")))
        .chain(streaming.map(of_key("streaming_tail_consumers")));
    let bindings = worker.bindings.iter();
    let services = bindings.filter_map(|(name, binding)| match binding {
        Binding::Service(target) => {
            Some((target, format!("the binding `{name}` in `services` is for")))
        }
        Binding::DurableObject(target) => Some((
            target,
            format!("the binding `{name}` in `durable_objects.bindings` is for"),
        )),
        Binding::Dispatch(namespace) => Some((
            namespace.outbound.as_ref()?,
            format!("`outbound` of the binding `{name}` in `dispatch_namespaces` is for"),
        )),
        Binding::Loader | Binding::Kv(_) | Binding::AnalyticsEngine(_) | Binding::AnalyticsSql => {
            None
        }
    });
    let outbound = match &worker.egress {
        Egress::Worker(target) => Some((target, "`taffrail.global_outbound` is".to_owned())),
        Egress::Anywhere | Egress::Hosts(_) => None,
    };
    let services = services.chain(outbound).map(|(target, says)| Named {
        target,
        says,
        is_tail: false,
    });
    let granted = worker.namespaces.iter().flat_map(|(name, namespace)| {
        let targets = namespace.grant.targets();
        targets.map(move |(key, target)| Named {
            target,
            says: format!("`taffrail.dispatch_namespaces.{name}.{key}` has"),
            is_tail: key != "services",
        })
    });
    tails.chain(services).chain(granted).collect()
}

/// Checks that every bound namespace has a folder.
fn check_namespaces(workers: &[WorkerConfig]) -> Result<()> {
    for worker in workers {
        for (name, binding) in &worker.bindings {
            if let Binding::Dispatch(DispatchNamespace { namespace, .. }) = binding
                && !workers
                    .iter()
                    .any(|other| other.namespaces.contains_key(namespace))
            {
                bail!(
                    "{}: the binding `{name}` in `dispatch_namespaces` is for the namespace `{namespace}`, whose Workers have no folder; name one, for example: [taffrail.dispatch_namespaces] {namespace} = \"user-workers\"",
                    worker.path.display()
                );
            }
        }
    }
    Ok(())
}

/// The tail consumers of both kinds.
fn tails(worker: &WorkerConfig) -> impl Iterator<Item = &Target> {
    let streaming = &worker.streaming_tail_consumers;
    worker.tail_consumers.iter().chain(streaming)
}

fn check_tails_end(
    workers: &[WorkerConfig],
    by_name: &BTreeMap<&str, &WorkerConfig>,
) -> Result<()> {
    let tails_of = |worker: &WorkerId| {
        let worker = worker.deployed_name().and_then(|name| by_name.get(name));
        worker
            .into_iter()
            .flat_map(|worker| tails(worker))
            .map(|tail| tail.worker.clone())
            .collect::<Vec<_>>()
    };
    let Some(cycle) = workers
        .iter()
        .find_map(|worker| tail_cycle(&worker.name.as_str().into(), &tails_of))
    else {
        return Ok(());
    };
    let in_cycle = cycle[1..].iter();
    let in_cycle = in_cycle.filter_map(|worker| by_name.get(worker.deployed_name()?));
    let files: Vec<_> = in_cycle
        .clone()
        .map(|worker| worker.path.display().to_string())
        .collect();
    let is_streamed = |worker: &&WorkerConfig| {
        let mut streaming = worker.streaming_tail_consumers.iter();
        let own = WorkerId::from(worker.name.as_str());
        streaming.any(|tail| tail.worker != own && cycle.contains(&tail.worker))
    };
    let keys = match in_cycle.copied().any(|worker| is_streamed(&worker)) {
        true => "`tail_consumers` or `streaming_tail_consumers`",
        false => "`tail_consumers`",
    };
    bail!(
        "the tail consumers form a cycle: {}; remove one of them from the {keys} in {}",
        cycle
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(" → "),
        files.join(" or ")
    );
}
