//! The places for connections.
//!
//! When all are taken and a further client connects, the connection that has
//! been idle for longest is closed: one without a request under way.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use taffrail_runtime::Receipt;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};

/// How long a connection that is to close stays open without a request: time
/// for one that the client has sent already.
const LEAVING: Duration = Duration::from_secs(1);

/// `idle_since` of a connection with a request under way.
const BUSY: u64 = u64::MAX;

/// All places.
pub(crate) struct Places {
    count: u32,
    free: Arc<Semaphore>,
    /// A counter of events, which orders connections by idle time.
    now: AtomicU64,
    /// Raised when a connection has become idle.
    idle: Notify,
    taken: Mutex<HashMap<u64, Arc<Place>>>,
}

/// The place of one connection.
pub(crate) struct Place {
    places: Arc<Places>,
    number: u64,
    idle_since: AtomicU64,
    /// Requests whose responses are not over: more than one if the client sends
    /// the next one early.
    under_way: AtomicU32,
    /// Whether a response is complete and not yet sent.
    flushing: AtomicBool,
    /// Receipts to release when it is sent.
    receipts: Mutex<Vec<Receipt>>,
    wanted: watch::Sender<Wanted>,
}

/// The state that a connection is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    Stay,
    /// To close as soon as no request is under way.
    Leave,
    /// To end at once, since its client is gone or does not respond.
    End,
}

/// Gives the place back when it is dropped.
pub(crate) struct Taken {
    pub(crate) place: Arc<Place>,
    _permit: OwnedSemaphorePermit,
}

impl Places {
    pub(crate) fn new(count: u32) -> Arc<Self> {
        Arc::new(Self {
            count,
            free: Arc::new(Semaphore::new(count as usize)),
            now: AtomicU64::new(0),
            idle: Notify::new(),
            taken: Mutex::default(),
        })
    }

    /// Takes a place, if need be that of an idle connection.
    pub(crate) async fn take(self: &Arc<Self>) -> Taken {
        let permit = loop {
            // Before a look at which ones are idle, so that none is missed.
            let mut idle = std::pin::pin!(self.idle.notified());
            idle.as_mut().enable();
            let free = Arc::clone(&self.free);
            if let Ok(permit) = Arc::clone(&free).try_acquire_owned() {
                break permit;
            }
            self.evict();
            tokio::select! {
                Ok(permit) = free.acquire_owned() => break permit,
                () = idle => {}
            }
        };
        let number = self.now.fetch_add(1, Relaxed);
        let place = Arc::new(Place {
            places: Arc::clone(self),
            number,
            idle_since: AtomicU64::new(number),
            under_way: AtomicU32::new(0),
            flushing: AtomicBool::new(false),
            receipts: Mutex::default(),
            wanted: watch::Sender::new(Wanted::Stay),
        });
        self.taken().insert(number, Arc::clone(&place));
        Taken {
            place,
            _permit: permit,
        }
    }

    /// Closes the connection that has been idle for longest.
    fn evict(&self) {
        let taken = self.taken();
        let stays = |place: &&Arc<Place>| *place.wanted.borrow() == Wanted::Stay;
        let idle = taken.values().filter(|place| place.is_idle());
        let longest = idle
            .filter(stays)
            .min_by_key(|place| place.idle_since.load(Relaxed));
        if let Some(place) = longest {
            place.want(Wanted::Leave);
        }
    }

    /// Closes all connections, and waits until they are closed.
    pub(crate) async fn empty(&self) {
        for place in self.taken().values() {
            place.want(Wanted::Leave);
        }
        // It is never closed.
        _ = self.free.acquire_many(self.count).await;
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<u64, Arc<Place>>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// A request is under way.
    pub(crate) fn begin(&self) {
        self.under_way.fetch_add(1, Relaxed);
        self.idle_since.store(BUSY, Relaxed);
    }

    /// A response is complete, and has to be sent.
    pub(crate) fn flushing(&self, receipt: Option<Receipt>) {
        self.receipts().extend(receipt);
        self.under_way.fetch_sub(1, Relaxed);
        self.flushing.store(true, Relaxed);
    }

    /// Everything is sent.
    pub(crate) fn flushed(&self) {
        if !self.flushing.load(Relaxed) {
            return;
        }
        self.flushing.store(false, Relaxed);
        self.receipts().clear();
        if self.under_way.load(Relaxed) == 0 {
            let now = self.places.now.fetch_add(1, Relaxed);
            self.idle_since.store(now, Relaxed);
            self.places.idle.notify_waiters();
        }
    }

    fn is_idle(&self) -> bool {
        self.idle_since.load(Relaxed) != BUSY
    }

    /// Waits until the connection has been idle for long enough to be ended.
    pub(crate) async fn has_had_time(&self) {
        loop {
            tokio::time::sleep(LEAVING).await;
            if self.is_idle() {
                return;
            }
        }
    }

    /// The state that the connection is asked for.
    pub(crate) fn wanted(&self) -> watch::Receiver<Wanted> {
        self.wanted.subscribe()
    }

    /// Asks the connection for a state. An end is final.
    pub(crate) fn want(&self, wanted: Wanted) {
        self.wanted.send_if_modified(|now| {
            *now != Wanted::End && std::mem::replace(now, wanted) != wanted
        });
    }

    /// Waits until the connection is gone.
    pub(crate) async fn gone(&self) {
        self.wanted.closed().await;
    }

    fn receipts(&self) -> MutexGuard<'_, Vec<Receipt>> {
        self.receipts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.place.places.taken().remove(&self.place.number);
        for receipt in self.place.receipts().drain(..) {
            receipt.lost();
        }
    }
}
