//! Live tails: who is to receive which items as they come.

pub(crate) mod filter;
mod queue;
pub(crate) mod session;

use crate::access::secret;
use filter::Filter;
use queue::Queue;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;
use taffrail_runtime::TailConsumer;
use taffrail_trace::TraceItem;
use tokio::time::Instant;

/// The most live tails of one Worker, and of all Workers at once. It is Cloudflare's limit.
pub(crate) const TAILS: usize = 10;

/// How long a live tail may wait for its client to connect.
const UNCONNECTED: Duration = Duration::from_secs(60);

/// How long a live tail lasts in all. Its client then makes another one.
pub(crate) const LIFETIME: Duration = Duration::from_secs(60 * 60);

/// The live tails of a process: a consumer that listens only while one is connected.
#[derive(Default)]
pub struct Tails {
    tails: RwLock<Vec<Arc<Tail>>>,
    connected: AtomicUsize,
}

/// One live tail.
pub(crate) struct Tail {
    pub(crate) id: String,
    /// The Worker whose items it is for. `None` is for the items of all.
    worker: Option<String>,
    filters: Vec<Filter>,
    expires: Instant,
    is_connected: AtomicBool,
    queue: Queue,
}

/// There are as many live tails of this Worker as there may be.
#[derive(Debug)]
pub(crate) struct TooMany;

/// A live tail with its client, which ends with it.
pub(crate) struct Connected {
    tails: Arc<Tails>,
    tail: Arc<Tail>,
}

impl Tails {
    /// Returns a consumer for [`Builder::tail_consumer`](taffrail_runtime::Builder::tail_consumer).
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Makes a live tail, to which a client has to connect within a minute.
    pub(crate) fn create(
        self: &Arc<Self>,
        worker: Option<String>,
        filters: Vec<Filter>,
    ) -> Result<Arc<Tail>, TooMany> {
        let tail = Arc::new(Tail {
            id: secret(),
            worker,
            filters,
            expires: Instant::now() + LIFETIME,
            is_connected: AtomicBool::new(false),
            queue: Queue::default(),
        });
        let mut tails = self.write();
        let others = tails.iter().filter(|other| other.worker == tail.worker);
        if others.count() >= TAILS {
            return Err(TooMany);
        }
        tails.push(Arc::clone(&tail));
        drop(tails);
        let (tails, unconnected) = (Arc::downgrade(self), Arc::downgrade(&tail));
        tokio::spawn(async move {
            tokio::time::sleep(UNCONNECTED).await;
            if let (Some(tails), Some(tail)) = (tails.upgrade(), unconnected.upgrade()) {
                tails.forget_unconnected(&tail);
            }
        });
        Ok(tail)
    }

    /// Connects the client of a live tail. It receives the items of all invocations that end from
    /// now on. `None` if there is no such tail, or it has its client.
    pub(crate) fn connect(self: &Arc<Self>, id: &str) -> Option<Connected> {
        let tail = self.read().iter().find(|tail| tail.id == id).cloned()?;
        if tail.is_connected.swap(true, Relaxed) {
            return None;
        }
        self.connected.fetch_add(1, Relaxed);
        let tails = Arc::clone(self);
        Some(Connected { tails, tail })
    }

    /// Ends a live tail, if there is one with this id. Its client still receives what waits.
    pub(crate) fn delete(&self, id: &str) {
        let mut tails = self.write();
        if let Some(place) = tails.iter().position(|tail| tail.id == id) {
            tails.swap_remove(place).queue.close();
        }
    }

    /// Ends a live tail to which no client has connected.
    fn forget_unconnected(&self, tail: &Tail) {
        if !tail.is_connected.load(Relaxed) {
            self.delete(&tail.id);
        }
    }

    /// Ends all live tails. Their clients still receive what waits.
    pub(crate) fn close(&self) {
        for tail in self.write().drain(..) {
            tail.queue.close();
        }
    }

    /// Returns how many live tails have a client.
    pub(crate) fn connected(&self) -> usize {
        self.connected.load(Relaxed)
    }

    fn read(&self) -> RwLockReadGuard<'_, Vec<Arc<Tail>>> {
        self.tails.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Vec<Arc<Tail>>> {
        self.tails.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TailConsumer for Tails {
    fn deliver(&self, item: &Arc<TraceItem>) {
        if !self.listens() {
            return;
        }
        for tail in self.read().iter().filter(|tail| tail.wants(item)) {
            tail.queue.push(item);
        }
    }

    fn listens(&self) -> bool {
        self.connected() > 0
    }
}

impl Tail {
    fn wants(&self, item: &TraceItem) -> bool {
        let script = &item.script;
        let is_of_worker = self.worker.as_ref().is_none_or(|worker| {
            script.script_name.as_ref() == Some(worker) && script.dispatch_namespace.is_none()
        });
        is_of_worker
            && self.is_connected.load(Relaxed)
            && self.filters.iter().all(|filter| filter.matches(item))
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.tails.connected.fetch_sub(1, Relaxed);
        self.tails.delete(&self.tail.id);
    }
}

#[cfg(test)]
mod tests;
