//! What the Workers of one runtime share.

pub(crate) mod alarms;
mod channels;
pub(crate) mod dispatch;
pub(crate) mod loader;

use crate::component::compiler::Compiler;
use crate::delivery::{Consumers, Queues, Tail, TailConsumer, TailQueue, TailWorker, Tails};
use crate::invocation::context::WorkerContext;
use crate::invocation::lanes::Lanes;
use crate::invocation::running::Running;
use crate::places::Share;
use crate::platform::alarms::Alarms;
use crate::platform::channels::WorkerChannels;
use crate::platform::dispatch::{Dispatched, Namespaces};
use crate::platform::loader::{LoadScript, Loaders};
use crate::script::{Isolates, Script, Source, Surroundings};
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
        let replaced = self.write().insert(worker.context.id.clone(), worker);
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
            Code::Component(mut component) => match component.take_built() {
                Some(json) => {
                    let source = Source::built(&json);
                    Code::Script(Script::new(Arc::new(component), source))
                }
                None => Code::Component(component),
            },
            code => code,
        };
        let context = Arc::new(WorkerContext {
            config: Arc::new(
                settings
                    .text_vars()
                    .map(|(name, value)| (name.clone(), value.into_owned()))
                    .collect(),
            ),
            consumers: Consumers {
                native: Arc::clone(&self.consumers),
                tails: Arc::new(Tails {
                    worker: id.clone(),
                    tails: settings
                        .tail_consumers
                        .iter()
                        .map(|tail| Tail {
                            queue: self.queue(&tail.worker),
                            target: Arc::new(tail.clone()),
                        })
                        .collect(),
                }),
            },
            tracker: self.tracker.clone(),
            compiles: tokio::sync::Mutex::default(),
            running: Running::default(),
            share: Share::new(settings.limits.instances, above),
            storage: self.store.storage(),
            settings,
            id,
        });
        Arc::new_cyclic(|worker| Worker {
            code,
            surroundings: Surroundings {
                channels: Arc::new(WorkerChannels {
                    platform: Arc::downgrade(self),
                    worker: Weak::clone(worker),
                    id: context.id.clone(),
                }),
                lanes: Arc::clone(&self.lanes),
                places: Arc::clone(&self.places),
            },
            stopped: AtomicBool::new(false),
            context,
        })
    }

    fn queue(self: &Arc<Self>, tail: &WorkerId) -> Arc<TailQueue> {
        let worker = tail.clone();
        let platform: Weak<Self> = Arc::downgrade(self);
        self.queues.get(tail, move || {
            Some(platform.upgrade()?.find(&worker)? as Arc<dyn TailWorker>)
        })
    }
}

impl Drop for Platform {
    fn drop(&mut self) {
        self.queues.close();
    }
}
