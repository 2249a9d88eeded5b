//! The Workers of one runtime, and how they find, load and call each other.

pub(crate) mod alarms;
pub(crate) mod compiler;
pub(crate) mod loader;
pub(crate) mod namespaces;
pub(crate) mod registry;

use crate::channels::dynamic::{Lookup, Plan};
use crate::channels::failed::CallFailed;
use crate::channels::network::Network;
use crate::channels::queries::Queries;
use crate::channels::{BoxFuture, Channel, Channels};
use crate::error::Error;
use crate::invocation::Invocation;
use crate::platform::alarms::Alarms;
use crate::platform::compiler::Compiler;
use crate::platform::loader::Loaders;
use crate::platform::namespaces::UserWorkers;
use crate::platform::registry::{MakeChannels, Registry};
use crate::settings::identity::WorkerId;
use crate::settings::tail_cycle;
use crate::worker::Worker;
use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use taffrail_store::Storage;

/// The Workers of a runtime, and everything that outlives a single one. Workers refer to it
/// weakly, since it owns them.
pub(crate) struct Platform {
    pub(crate) registry: Arc<Registry>,
    pub(crate) compiler: Compiler,
    pub(crate) loaders: Arc<Loaders>,
    pub(crate) users: Arc<UserWorkers>,
    pub(crate) alarms: Arc<Alarms>,
    /// Whether requests from outside continue the traces that they name.
    pub(crate) continues_traces: bool,
}

impl Platform {
    /// Returns a function that makes the channels of each Worker.
    pub(crate) fn make_channels(
        platform: &Weak<Self>,
        network: Option<Arc<dyn Network>>,
        queries: Option<Arc<dyn Queries>>,
        unreachable: Arc<[SocketAddr]>,
    ) -> MakeChannels {
        let platform = Weak::clone(platform);
        Box::new(move |context, worker| {
            Arc::new(WorkerChannels {
                platform: Weak::clone(&platform),
                worker: Weak::clone(worker),
                id: context.id.clone(),
                network: network.clone(),
                queries: queries.clone(),
                unreachable: Arc::clone(&unreachable),
                storage: Arc::clone(&context.storage),
            })
        })
    }

    /// Deploys a Worker, unless its tail consumers form a cycle.
    pub(crate) fn deploy(&self, worker: Arc<Worker>) -> Result<(), Error> {
        let settings = &worker.context.settings;
        let id = &worker.context.id;
        let mut workers = self.registry.write();
        let tails_of = |worker: &WorkerId| -> Vec<WorkerId> {
            let settings = match workers.get(worker) {
                _ if worker == id => settings,
                Some(worker) => &worker.context.settings,
                None => return Vec::new(),
            };
            let tails = settings.tail_consumers.iter();
            tails.map(|tail| tail.worker.clone()).collect()
        };
        if let Some(cycle) = tail_cycle(id, &tails_of) {
            let cycle: Vec<_> = cycle.iter().map(ToString::to_string).collect();
            return Err(Error::settings(format!(
                "the tail consumers form a cycle: {}. Every item would cause another one endlessly",
                cycle.join(" -> ")
            )));
        }
        self.loaders.forget_code(id);
        let replaced = workers.insert(id.clone(), Arc::clone(&worker));
        drop(workers);
        drop(replaced);
        self.ring_alarms(&worker);
        Ok(())
    }

    /// Schedules the alarms of a Worker that has just been deployed.
    fn ring_alarms(&self, worker: &Worker) {
        let id = &worker.context.id;
        if worker.context.settings.has_objects(id) {
            self.alarms.ring(id);
        }
    }
}

/// The channels of one Worker.
struct WorkerChannels {
    platform: Weak<Platform>,
    /// The Worker itself.
    worker: Weak<Worker>,
    id: WorkerId,
    network: Option<Arc<dyn Network>>,
    queries: Option<Arc<dyn Queries>>,
    unreachable: Arc<[SocketAddr]>,
    storage: Arc<Storage>,
}

impl WorkerChannels {
    fn platform(&self) -> Result<Arc<Platform>, CallFailed> {
        let platform = self.platform.upgrade();
        platform.ok_or_else(|| CallFailed::new("the runtime is ending"))
    }
}

impl Channels for WorkerChannels {
    fn worker(&self, worker: &WorkerId) -> Result<Arc<dyn Channel>, CallFailed> {
        // A Worker that calls itself reaches the code that it runs.
        if *worker == self.id
            && let Some(own) = self.worker.upgrade()
        {
            return Ok(own);
        }
        match self.platform()?.registry.find(worker) {
            Some(worker) => Ok(worker),
            None => Err(CallFailed::new(format!(
                "there is no Worker `{worker}` to call"
            ))),
        }
    }

    fn user_worker<'a>(
        &'a self,
        namespace: &'a str,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Arc<dyn Channel>, CallFailed>> {
        Box::pin(async move {
            let platform = self.platform()?;
            let found = platform.users.find(namespace, name).await?;
            if found.is_new {
                platform.ring_alarms(&found.worker);
            }
            Ok(found.worker as Arc<dyn Channel>)
        })
    }

    fn find_dynamic<'a>(
        &'a self,
        loader: &'a str,
        id: &'a str,
    ) -> BoxFuture<'a, Result<Lookup, CallFailed>> {
        Box::pin(async move { self.platform()?.loaders.find(&self.id, loader, id).await })
    }

    fn make_dynamic<'a>(
        &'a self,
        caller: &'a Invocation,
        plan: Plan,
    ) -> BoxFuture<'a, Result<WorkerId, CallFailed>> {
        Box::pin(async move { self.platform()?.loaders.make(caller, plan).await })
    }

    fn network(&self) -> Option<&dyn Network> {
        self.network.as_deref()
    }

    fn queries(&self) -> Option<&dyn Queries> {
        self.queries.as_deref()
    }

    fn unreachable(&self) -> &[SocketAddr] {
        &self.unreachable
    }

    fn storage(&self) -> &Arc<Storage> {
        &self.storage
    }

    fn ring_alarms(&self) -> Result<(), CallFailed> {
        self.platform()?.alarms.ring(&self.id);
        Ok(())
    }
}
