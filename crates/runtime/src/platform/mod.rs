//! What the Workers of one runtime share.

pub(crate) mod ahead;
pub(crate) mod alarms;
pub(crate) mod dispatch;
pub(crate) mod loader;
pub(crate) mod service;

use crate::component::compiler::Compiler;
use crate::delivery::{Consumers, Queues, Tail, TailConsumer, TailQueue};
use crate::invocation::lanes::Lanes;
use crate::invocation::running::Running;
use crate::places::Share;
use crate::platform::alarms::Alarms;
use crate::platform::dispatch::{Dispatched, Namespaces};
use crate::platform::loader::{LoadScript, Loaders};
use crate::script::{Isolates, Script};
use crate::settings::WorkerSettings;
use crate::settings::identity::WorkerId;
use crate::store::Store;
use crate::worker::{Code, Worker};
use std::collections::HashMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak};
use tokio_util::task::TaskTracker;

type Workers = HashMap<WorkerId, Arc<Worker>>;

/// Everything that outlives a Worker. Workers hold on to it weakly, since they
/// are a part of it.
pub(crate) struct Platform {
    pub(crate) compiler: Compiler,
    pub(crate) lanes: Arc<Lanes>,
    pub(crate) places: Arc<Isolates>,
    pub(crate) consumers: Arc<[Arc<dyn TailConsumer>]>,
    pub(crate) tracker: TaskTracker,
    /// Who makes scripts of modules, if anybody does.
    pub(crate) scripts: Option<Arc<dyn LoadScript>>,
    pub(crate) loaders: Loaders,
    /// Who finds user Workers, if anybody does.
    pub(crate) namespaces: Option<Arc<dyn Namespaces>>,
    pub(crate) dispatched: Dispatched,
    pub(crate) store: Store,
    pub(crate) alarms: Alarms,
    pub(crate) workers: RwLock<Workers>,
    pub(crate) queues: Queues,
}

impl Platform {
    pub(crate) fn find(&self, worker: &WorkerId) -> Option<Arc<Worker>> {
        self.read().get(worker).cloned()
    }

    pub(crate) fn all(&self) -> Vec<Arc<Worker>> {
        self.read().values().cloned().collect()
    }

    /// Puts a Worker in place, or in the place of an earlier one.
    pub(crate) fn deploy(&self, worker: Arc<Worker>) {
        let replaced = self.write().insert(worker.id.clone(), worker);
        // Not under the lock: this may end its isolates.
        drop(replaced);
    }

    /// Takes a Worker out, with those that it has made.
    pub(crate) fn undeploy(&self, worker: &WorkerId) {
        let gone: Vec<_> = self
            .loaders
            .forget(worker)
            .iter()
            .chain([worker])
            .filter_map(|gone| self.write().remove(gone))
            .collect();
        drop(gone);
    }

    fn read(&self) -> RwLockReadGuard<'_, Workers> {
        self.workers.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, Workers> {
        self.workers.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// A Worker that is not in place yet. What it runs counts for the share
    /// above it, too.
    pub(crate) fn worker(
        self: &Arc<Self>,
        id: WorkerId,
        settings: WorkerSettings,
        code: Code,
        above: Option<Arc<Share>>,
    ) -> Arc<Worker> {
        let code = match code {
            Code::Component(component) => Script::of_component(component),
            code => code,
        };
        Arc::new(Worker {
            config: Arc::new(
                settings
                    .text_vars()
                    .map(|(name, value)| (name.clone(), value.into_owned()))
                    .collect(),
            ),
            consumers: Arc::new(Consumers {
                worker: id.clone(),
                native: Arc::clone(&self.consumers),
                tails: settings
                    .tail_consumers
                    .iter()
                    .map(|tail| Tail {
                        queue: self.queue(&tail.worker),
                        target: Arc::new(tail.clone()),
                    })
                    .collect(),
            }),
            id,
            platform: Arc::downgrade(self),
            tracker: self.tracker.clone(),
            lanes: Arc::clone(&self.lanes),
            compiles: tokio::sync::Mutex::default(),
            running: Running::default(),
            share: Share::new(settings.limits.instances, above),
            places: Arc::clone(&self.places),
            storage: self.store.storage(),
            stopped: AtomicBool::new(false),
            settings,
            code,
        })
    }

    fn queue(self: &Arc<Self>, tail: &WorkerId) -> Arc<TailQueue> {
        let worker = tail.clone();
        let platform: Weak<Self> = Arc::downgrade(self);
        self.queues
            .get(tail, move || platform.upgrade()?.find(&worker))
    }
}

impl Drop for Platform {
    fn drop(&mut self) {
        self.queues.close();
    }
}
