//! The places for instances: the process has a number of them, and those that
//! idle give theirs up to those that are to run.
//!
//! Memories are what the pools of wasmtime have least of, so a place is that of
//! one memory and what belongs to it. All instances of a process take theirs
//! here, and the pools have as many: they never run out by themselves.

mod count;
mod idle;
mod share;

pub(crate) use count::{Place, Rank};
pub(crate) use idle::OwnerId;
pub(crate) use share::{Permit, Refused, Share};

use crate::clock;
use count::Count;
use idle::Idle;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::timeout;

/// Instances that may exist at a time, unless an embedder says otherwise.
pub(crate) const INSTANCES: u32 = 1000;

/// Places that only tail events get, beside all others: two Tail Workers that
/// are as busy as they may be.
pub(crate) const FOR_TAILS: u32 = 64;

/// Memory that all isolates and Durable Objects may hold which idle: that of
/// eight Workers, each with as many isolates of 4 MiB as are kept.
const IDLE_MEMORY: usize = 512 << 20;

/// How long a Durable Object may take to leave when its place is needed. It has
/// nothing to do any more but to return, on a machine that may be busy.
const LEAVING: Duration = Duration::from_secs(5);

/// The places of a process. Isolates that idle are kept here, since whoever
/// needs a place ends them.
pub(crate) struct Places<Isolate> {
    count: Arc<Count>,
    isolates: Mutex<Idle<Isolate>>,
    objects: Arc<IdleObjects>,
}

/// Notified, it asks a Durable Object to leave.
pub(crate) type Leave = Arc<Notify>;

/// All places are taken by instances that run.
#[derive(Debug)]
pub(crate) struct NoPlace;

impl<Isolate> Places<Isolate> {
    pub(crate) fn new(instances: u32) -> Self {
        Self {
            count: Arc::new(Count::new(instances as usize)),
            isolates: Mutex::new(Idle::new(IDLE_MEMORY)),
            objects: Arc::new(IdleObjects(Mutex::new(Idle::new(IDLE_MEMORY)))),
        }
    }

    /// How many there are, those for tails not counted.
    pub(crate) fn instances(&self) -> usize {
        self.count.instances()
    }

    /// Takes `size` places for one instance. When there are too few, isolates
    /// and objects that idle are given up, the one that was used last at last;
    /// and a tail event waits until there is a place.
    pub(crate) async fn take(&self, size: usize, rank: Rank) -> Result<Place, NoPlace> {
        if let Some(place) = self.count.take(size, rank) {
            return Ok(place);
        }
        loop {
            while let Some(isolate) = self.isolates().pop_oldest() {
                drop(isolate);
                if let Some(place) = self.count.take(size, rank) {
                    return Ok(place);
                }
            }
            let object = self.objects.lock().pop_oldest();
            let free = self.count.when_free(size, rank);
            match (object, rank) {
                (Some(leave), _) => {
                    leave.notify_one();
                    if let Ok(place) = timeout(LEAVING, free).await {
                        return Ok(place);
                    }
                }
                (None, Rank::Tail) => return Ok(free.await),
                (None, Rank::Producer) => return Err(NoPlace),
            }
        }
    }

    /// Keeps an isolate for further events, unless `most` of its owner are kept
    /// already.
    pub(crate) fn keep(&self, owner: OwnerId, isolate: Isolate, memory: usize, most: usize) {
        let mut isolates = self.isolates();
        let refused = isolates.add(owner, isolate, memory, most, clock::instant());
        let given_up = isolates.excess(clock::instant());
        drop(isolates);
        // Not under the lock: this ends isolates.
        drop((refused, given_up));
    }

    /// The isolate of an owner that was used last.
    pub(crate) fn reuse(&self, owner: OwnerId) -> Option<Isolate> {
        self.isolates().pop_newest(owner)
    }

    /// Ends all isolates of an owner that idle.
    pub(crate) fn forget(&self, owner: OwnerId) {
        let isolates = self.isolates().remove(owner);
        drop(isolates);
    }

    /// The Durable Objects that idle.
    pub(crate) fn objects(&self) -> &Arc<IdleObjects> {
        &self.objects
    }

    fn isolates(&self) -> MutexGuard<'_, Idle<Isolate>> {
        self.isolates.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The Durable Objects of a process that idle.
pub(crate) struct IdleObjects(Mutex<Idle<Leave>>);

impl IdleObjects {
    /// Notes that a Durable Object idles, which is told to leave by `leave`.
    pub(crate) fn idles(&self, object: OwnerId, leave: Leave, memory: usize) {
        let mut objects = self.lock();
        objects.add(object, leave, memory, 1, clock::instant());
        for given_up in objects.excess(clock::instant()) {
            given_up.notify_one();
        }
    }

    /// Notes that a Durable Object does not idle any more.
    pub(crate) fn runs(&self, object: OwnerId) {
        self.lock().pop_newest(object);
    }

    fn lock(&self) -> MutexGuard<'_, Idle<Leave>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
