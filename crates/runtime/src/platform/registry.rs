//! The Workers of one runtime by identity, and the resources that they share.

use crate::channels::Channels;
use crate::delivery::{Consumers, Meter, Queues, Tail, TailConsumer, TailQueue, TailWorker, Tails};
use crate::invocation::context::WorkerContext;
use crate::invocation::lanes::Lanes;
use crate::invocation::running::Running;
use crate::places::{OwnerId, Places, Share};
use crate::script::Surroundings;
use crate::settings::identity::WorkerId;
use crate::settings::{Target, WorkerSettings};
use crate::worker::{Code, Worker};
use std::collections::HashMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak};
use taffrail_store::Store;
use tokio::sync::Notify;
use tokio_util::task::TaskTracker;

type Workers = HashMap<WorkerId, Arc<Worker>>;

/// Makes the channels of a Worker.
pub(crate) type MakeChannels =
    Box<dyn Fn(&WorkerContext, &Weak<Worker>) -> Arc<dyn Channels> + Send + Sync>;

/// The deployed Workers, and the resources that each of them receives.
pub(crate) struct Registry {
    pub(crate) lanes: Arc<Lanes>,
    pub(crate) places: Arc<Places>,
    pub(crate) consumers: Arc<[Arc<dyn TailConsumer>]>,
    pub(crate) meter: Option<Arc<dyn Meter>>,
    pub(crate) tracker: TaskTracker,
    pub(crate) store: Store,
    pub(crate) queues: Queues,
    pub(crate) channels: MakeChannels,
    pub(crate) workers: RwLock<Workers>,
}

impl Registry {
    pub(crate) fn find(&self, worker: &WorkerId) -> Option<Arc<Worker>> {
        self.read().get(worker).cloned()
    }

    pub(crate) fn all(&self) -> Vec<Arc<Worker>> {
        self.read().values().cloned().collect()
    }

    /// Deploys a Worker, or replaces an earlier one.
    pub(crate) fn deploy(&self, worker: Arc<Worker>) {
        let replaced = self.write().insert(worker.context.id.clone(), worker);
        // Outside of the lock, since this may end isolates.
        drop(replaced);
    }

    /// Removes a Worker.
    pub(crate) fn remove(&self, worker: &WorkerId) {
        let removed = self.write().remove(worker);
        drop(removed);
    }

    fn read(&self) -> RwLockReadGuard<'_, Workers> {
        self.workers.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, Workers> {
        self.workers.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Creates a Worker without deploying it. Its invocations also count for the share of its
    /// parent.
    pub(crate) fn worker(
        self: &Arc<Self>,
        id: WorkerId,
        settings: WorkerSettings,
        code: Code,
        above: Option<Arc<Share>>,
    ) -> Arc<Worker> {
        let native = self.receivers(&id);
        let context = Arc::new(WorkerContext {
            consumers: Consumers {
                want_spans: native.iter().any(|consumer| consumer.wants_spans(&id)),
                native,
                meter: self.meter.clone(),
                tails: Arc::new(Tails {
                    worker: id.clone(),
                    tails: self.tails(&settings.tail_consumers),
                    streaming: self.tails(&settings.streaming_tail_consumers),
                }),
            },
            tracker: self.tracker.clone(),
            compiles: tokio::sync::Mutex::default(),
            running: Running::default(),
            share: Share::new(settings.limits.instances, above),
            storage: Arc::new(self.store.storage(id.data_owner())),
            dropped: Arc::new(Notify::new()),
            settings,
            id,
        });
        Arc::new_cyclic(|worker| Worker {
            code,
            surroundings: Surroundings {
                channels: (self.channels)(&context, worker),
                lanes: Arc::clone(&self.lanes),
                places: Arc::clone(&self.places),
            },
            stopped: AtomicBool::new(false),
            instances: OwnerId::new(),
            context,
        })
    }

    fn tails(self: &Arc<Self>, targets: &[Target]) -> Vec<Tail> {
        let targets = targets.iter();
        targets
            .map(|target| Tail {
                queue: self.queue(&target.worker),
                target: Arc::new(target.clone()),
            })
            .collect()
    }

    /// Returns the native consumers that receive the items of a Worker.
    fn receivers(&self, worker: &WorkerId) -> Arc<[Arc<dyn TailConsumer>]> {
        let consumers = self.consumers.iter();
        let receivers = consumers.filter(|consumer| consumer.receives(worker));
        receivers.cloned().collect()
    }

    fn queue(self: &Arc<Self>, tail: &WorkerId) -> Arc<TailQueue> {
        let worker = tail.clone();
        let platform: Weak<Self> = Arc::downgrade(self);
        self.queues.get(tail, move || {
            Some(platform.upgrade()?.find(&worker)? as Arc<dyn TailWorker>)
        })
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.queues.close();
    }
}
