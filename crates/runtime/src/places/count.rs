//! Counts the places that are taken.

use crate::places::RESERVED_FOR_TAILS;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};
use tokio::sync::Notify;

/// The kind of event that an instance is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rank {
    /// A tail event, for which some places are reserved.
    Tail,
    /// Any other event.
    Producer,
}

/// The counter. Sequentially consistent: either a waiter sees a place that becomes free, or the
/// code that frees it sees the waiter.
pub(super) struct Count {
    instances: usize,
    taken: AtomicUsize,
    existing: AtomicUsize,
    waiting: AtomicUsize,
    freed: Notify,
}

/// The places of one instance. Must be dropped after its store.
pub(crate) struct Place {
    count: Arc<Count>,
    size: usize,
}

impl Count {
    pub(super) fn new(instances: usize) -> Self {
        Self {
            instances,
            taken: AtomicUsize::new(0),
            existing: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            freed: Notify::new(),
        }
    }

    pub(super) fn instances(&self) -> usize {
        self.instances
    }

    /// Returns the number of instances that have places.
    pub(super) fn existing(&self) -> usize {
        self.existing.load(Relaxed)
    }

    pub(super) fn take(self: &Arc<Self>, size: usize, rank: Rank) -> Option<Place> {
        let limit = match rank {
            Rank::Tail => self.instances + RESERVED_FOR_TAILS as usize,
            Rank::Producer => self.instances,
        };
        let more = |taken: usize| Some(taken + size).filter(|taken| *taken <= limit);
        self.taken.try_update(SeqCst, SeqCst, more).ok()?;
        self.existing.fetch_add(1, Relaxed);
        Some(Place {
            count: Arc::clone(self),
            size,
        })
    }

    /// Waits until enough places are free.
    pub(super) async fn when_free(self: &Arc<Self>, size: usize, rank: Rank) -> Place {
        let _waiting = Waiting::begin(&self.waiting);
        loop {
            let mut freed = pin!(self.freed.notified());
            freed.as_mut().enable();
            if let Some(place) = self.take(size, rank) {
                return place;
            }
            freed.await;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.count.existing.fetch_sub(1, Relaxed);
        self.count.taken.fetch_sub(self.size, SeqCst);
        if self.count.waiting.load(SeqCst) > 0 {
            self.count.freed.notify_waiters();
        }
    }
}

struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn begin(waiting: &'a AtomicUsize) -> Self {
        waiting.fetch_add(1, SeqCst);
        Self(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}
