//! The places for instances. A process has a fixed number of them, and idle instances give theirs
//! up to those that need to run.
//!
//! Memories are the scarcest resource of wasmtime's pools, so a place stands for one memory and
//! what belongs to it. All instances of a process take their places here, and the pools are of
//! the same size, so the pools never run out on their own.

mod count;
mod idle;
mod share;

pub(crate) use count::{Place, Rank};
pub(crate) use idle::OwnerId;
pub(crate) use share::{Permit, Refused, Share};

use crate::clock;
use count::Count;
use idle::Idle;
use std::any::Any;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::timeout;

/// The default number of instances that may exist at a time.
pub(crate) const INSTANCES: u32 = 1000;

/// Places that are reserved for tail events: enough for two Tail Workers at their limit.
pub(crate) const RESERVED_FOR_TAILS: u32 = 64;

/// Memory that all idle instances and Durable Objects may hold together: that of eight Workers,
/// each with as many instances of 4 MiB as are kept.
const IDLE_MEMORY: usize = 512 << 20;

/// How long a Durable Object may take to leave when its place is needed. It only has to return,
/// but the machine may be busy.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(5);

/// The most idle instances of one Worker. Each holds its memory.
const IDLE_INSTANCES: usize = 16;

/// The places of a process. Idle instances are kept here, since a request for a place may end
/// them.
pub(crate) struct Places {
    count: Arc<Count>,
    instances: Mutex<Idle<Instance>>,
    objects: Arc<IdleObjects>,
}

/// How many instances of Workers there are in a process, those of Durable Objects included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Instances {
    /// Those that handle an event.
    pub running: usize,
    /// Those that are kept for a next event.
    pub idle: usize,
}

/// An idle instance, of the type that its owner knows. It ends when it is dropped.
type Instance = Box<dyn Any + Send>;

/// Notified to ask a Durable Object to leave.
pub(crate) type Leave = Arc<Notify>;

/// All places are taken by running instances.
#[derive(Debug)]
pub(crate) struct NoPlace;

impl Places {
    pub(crate) fn new(instances: u32) -> Self {
        Self {
            count: Arc::new(Count::new(instances as usize)),
            instances: Mutex::new(Idle::new(IDLE_MEMORY)),
            objects: Arc::new(IdleObjects(Mutex::new(Idle::new(IDLE_MEMORY)))),
        }
    }

    /// Returns the number of places, without those reserved for tails.
    pub(crate) fn instances(&self) -> usize {
        self.count.instances()
    }

    /// Returns how many instances there are, and how many of them idle.
    pub(crate) fn counts(&self) -> Instances {
        let idle = self.idle().len() + self.objects.lock().len();
        let existing = self.count.existing();
        Instances {
            running: existing.saturating_sub(idle),
            idle: idle.min(existing),
        }
    }

    /// Takes `size` places for one instance. If too few are free, idle instances and objects are
    /// ended, the least recently used first. A tail event then waits until places are free.
    pub(crate) async fn take(&self, size: usize, rank: Rank) -> Result<Place, NoPlace> {
        if let Some(place) = self.count.take(size, rank) {
            return Ok(place);
        }
        loop {
            while let Some(instance) = self.idle().pop_oldest() {
                drop(instance);
                if let Some(place) = self.count.take(size, rank) {
                    return Ok(place);
                }
            }
            let object = self.objects.lock().pop_oldest();
            let free = self.count.when_free(size, rank);
            match (object, rank) {
                (Some(leave), _) => {
                    leave.notify_one();
                    if let Ok(place) = timeout(LEAVE_TIMEOUT, free).await {
                        return Ok(place);
                    }
                }
                (None, Rank::Tail) => return Ok(free.await),
                (None, Rank::Producer) => return Err(NoPlace),
            }
        }
    }

    /// Keeps an instance for further events, unless enough of its owner are already kept.
    pub(crate) fn keep<T: Send + 'static>(&self, owner: OwnerId, instance: T, memory: usize) {
        let now = clock::instant();
        let mut idle = self.idle();
        let refused = idle.add(owner, Box::new(instance), memory, IDLE_INSTANCES, now);
        let given_up = idle.excess(now);
        drop(idle);
        // Outside of the lock, since this ends instances.
        drop((refused, given_up));
    }

    /// Returns the most recently used instance of an owner, whose instances are of type `T`.
    pub(crate) fn reuse<T: 'static>(&self, owner: OwnerId) -> Option<T> {
        let instance = self.idle().pop_newest(owner)?;
        instance.downcast().ok().map(|instance| *instance)
    }

    /// Ends all idle instances of an owner.
    pub(crate) fn forget(&self, owner: OwnerId) {
        let instances = self.idle().remove(owner);
        drop(instances);
    }

    /// Returns the idle Durable Objects.
    pub(crate) fn objects(&self) -> &Arc<IdleObjects> {
        &self.objects
    }

    fn idle(&self) -> MutexGuard<'_, Idle<Instance>> {
        self.instances
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// The idle Durable Objects of a process.
pub(crate) struct IdleObjects(Mutex<Idle<Leave>>);

impl IdleObjects {
    /// Records that a Durable Object is idle. `leave` asks it to leave.
    pub(crate) fn idles(&self, object: OwnerId, leave: Leave, memory: usize) {
        let mut objects = self.lock();
        objects.add(object, leave, memory, 1, clock::instant());
        for given_up in objects.excess(clock::instant()) {
            given_up.notify_one();
        }
    }

    /// Records that a Durable Object is not idle any more.
    pub(crate) fn runs(&self, object: OwnerId) {
        self.lock().pop_newest(object);
    }

    fn lock(&self) -> MutexGuard<'_, Idle<Leave>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
