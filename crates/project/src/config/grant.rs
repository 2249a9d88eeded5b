//! Applies the grant of a dispatch namespace to the configuration of a user Worker.

use std::collections::BTreeSet;

use crate::error::{Result, bail, ensure};
use taffrail_runtime::{Binding, Egress, Target, WorkerId};

use super::limits;
use super::namespace::Grant;
use super::worker::WorkerConfig;

impl Grant {
    /// Restricts the configuration of a user Worker, whose identity will be `id`, to what the
    /// grant allows.
    ///
    /// Errors name the key of the user Worker's configuration that asks for more.
    pub(crate) fn apply(&self, worker: &mut WorkerConfig, id: &WorkerId) -> Result<()> {
        check_main(worker)?;
        let own = WorkerId::from(worker.name.as_str());
        for (name, binding) in &mut worker.bindings {
            self.binding(name, binding, &own, id)?;
        }
        for tail in &mut worker.tail_consumers {
            *tail = granted("tail_consumers", &self.tail_consumers, tail)?;
        }
        for tail in &mut worker.streaming_tail_consumers {
            let grant = &self.streaming_tail_consumers;
            *tail = granted("streaming_tail_consumers", grant, tail)?;
        }
        worker.egress = self.egress(&worker.egress)?;
        limits::apply_ceilings(&mut worker.limits, &self.limits)
    }

    fn binding(
        &self,
        name: &str,
        binding: &mut Binding,
        own: &WorkerId,
        id: &WorkerId,
    ) -> Result<()> {
        match binding {
            Binding::Service(target) => *target = granted("services", &self.services, target)?,
            Binding::DurableObject(class) => {
                ensure!(
                    class.worker == *own,
                    "`durable_objects.bindings` has `{name}`, a class of the Worker `{}`; a user Worker may only use its own classes",
                    class.worker
                );
                class.worker = id.clone();
            }
            Binding::Kv(namespace) => allowed("kv_namespaces", &self.kv_namespaces, namespace)?,
            Binding::AnalyticsEngine(dataset) => allowed(
                "analytics_engine_datasets",
                &self.analytics_engine_datasets,
                dataset,
            )?,
            Binding::Loader => ensure!(
                self.worker_loaders,
                "`worker_loaders` has `{name}`, but the dispatch namespace does not let its Workers load others"
            ),
            Binding::AnalyticsSql => {
                bail!("`analytics` has `{name}`; a user Worker cannot query what others have left")
            }
            Binding::Dispatch(_) => {
                bail!("`dispatch_namespaces` has `{name}`; a user Worker cannot dispatch to others")
            }
        }
        Ok(())
    }

    fn egress(&self, wanted: &Egress) -> Result<Egress> {
        match (wanted, &self.allowed_outbound_hosts) {
            (Egress::Anywhere, None) => Ok(Egress::Anywhere),
            (Egress::Anywhere, Some(hosts)) => Ok(Egress::Hosts(hosts.clone())),
            (Egress::Hosts(wanted), None) => Ok(Egress::Hosts(wanted.clone())),
            (Egress::Hosts(wanted), Some(hosts)) => {
                if let Some(other) = wanted.iter().find(|pattern| !hosts.contains(pattern)) {
                    bail!(
                        "`taffrail.allowed_outbound_hosts` has `{other}`, which the dispatch namespace does not allow"
                    );
                }
                Ok(Egress::Hosts(wanted.clone()))
            }
            (Egress::Worker(target), _) => {
                granted("taffrail.global_outbound", &self.services, target).map(Egress::Worker)
            }
        }
    }
}

/// Returns the granted target, with the props of the grant: a Worker may not choose what a
/// service believes about it.
fn granted(key: &str, grant: &[Target], wanted: &Target) -> Result<Target> {
    ensure!(
        wanted.props.is_empty(),
        "`{key}` has `props` for `{}`; the dispatch namespace sets those",
        wanted.worker
    );
    let same =
        |target: &&Target| target.worker == wanted.worker && target.entrypoint == wanted.entrypoint;
    match grant.iter().find(same) {
        Some(target) => Ok(target.clone()),
        None => bail!(
            "`{key}` names the Worker `{}`, which the dispatch namespace does not let its Workers use",
            wanted.worker
        ),
    }
}

fn allowed(key: &str, grant: &BTreeSet<String>, wanted: &str) -> Result<()> {
    ensure!(
        grant.contains(wanted),
        "`{key}` has `{wanted}`, which the dispatch namespace does not let its Workers use"
    );
    Ok(())
}

/// Checks that the code of a user Worker is in the Worker's own folder.
fn check_main(worker: &WorkerConfig) -> Result<()> {
    let (dir, main) = (worker.dir.canonicalize(), worker.main.canonicalize());
    if let (Ok(dir), Ok(main)) = (dir, main) {
        ensure!(
            main.starts_with(dir),
            "`main` is outside of the Worker's folder"
        );
    }
    Ok(())
}
