//! The queue in front of one Tail Worker.

use crate::clock;
use crate::delivery::ledger::Ledger;
use crate::delivery::stream::{Charge, Held, StreamSender, TailStream, stream};
use crate::delivery::waiting::{Entry, Pushed, Waiting};
use crate::settings::{DEPTH, TailBatch, Target};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use taffrail_trace::TraceItem;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

/// The first and the longest pause before a Tail Worker that was refused an instance is called
/// again. Each pause is twice as long as the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LAST_PAUSE: Duration = Duration::from_secs(8);

/// A Tail Worker as its queue calls it.
pub(crate) trait TailWorker: Send + Sync {
    /// Returns how many items one call may have.
    fn batch(&self) -> TailBatch;

    /// Runs a tail event with these items, at this `depth`, to its end. Fails if the event did
    /// not begin.
    fn tail(
        self: Arc<Self>,
        items: Vec<Arc<TraceItem>>,
        target: Arc<Target>,
        depth: u32,
    ) -> TailCall;

    /// Runs a streaming tail event at this `depth` to its end. Fails if the event did not begin.
    fn tail_stream(
        self: Arc<Self>,
        stream: TailStream,
        target: Arc<Target>,
        depth: u32,
    ) -> TailCall;
}

/// The streams that one Tail Worker reads at a time, each in an instance of its own. Others wait.
const STREAMS: usize = 32;

/// A running call of a Tail Worker.
pub(crate) type TailCall = Pin<Box<dyn Future<Output = Result<(), NotBegun>> + Send>>;

/// Finds the Tail Worker at the time of a call.
type Find = Box<dyn Fn() -> Option<Arc<dyn TailWorker>> + Send + Sync>;

/// Why a call of a Tail Worker did not begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotBegun {
    /// It has no code to run.
    NoCode,
    /// Its script cannot be evaluated.
    NotStarted,
    /// An operator has stopped it.
    Stopped,
    /// All instances were taken.
    NoInstance,
}

/// Why an item is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    QueueFull,
    NotDeployed,
    NotBegun(NotBegun),
    Loop,
    HostFailed,
    Ended,
}

impl Reason {
    fn text(self) -> &'static str {
        match self {
            Self::QueueFull => "its queue is full",
            Self::NotDeployed => "it is not deployed",
            Self::NotBegun(NotBegun::NoCode) => "it has no code to run",
            Self::NotBegun(NotBegun::NotStarted) => "it cannot start",
            Self::NotBegun(NotBegun::Stopped) => "it is stopped",
            Self::NotBegun(NotBegun::NoInstance) => "it was refused an instance",
            Self::Loop => "it is part of a loop",
            Self::HostFailed => "its call broke off in the host",
            Self::Ended => "Taffrail stopped",
        }
    }
}

/// A bounded queue that never blocks a producer, and the calls of its Tail Worker.
///
/// While fewer than the limit of calls run, a call starts at once for an item, and takes along
/// those that come until it runs. Other items wait, and go out together as calls end. A call waits
/// for a millisecond if items come by the thousands a second.
pub(crate) struct TailQueue {
    ledger: Arc<Ledger>,
    waiting: Mutex<Waiting>,
    tracker: TaskTracker,
    /// The threads that run the calls.
    lane: Handle,
    find: Find,
    /// What the streams hold that have not ended.
    held: Arc<Held>,
    /// The places of the streams that the Tail Worker reads. Closed at the end of the process.
    streams: Semaphore,
    told_of_loop: AtomicBool,
    told_of_absence: AtomicBool,
}

impl TailQueue {
    /// Creates a queue that calls the Worker which `find` returns at the time of the call.
    pub(super) fn new(
        ledger: Arc<Ledger>,
        tracker: TaskTracker,
        lane: Handle,
        find: impl Fn() -> Option<Arc<dyn TailWorker>> + Send + Sync + 'static,
    ) -> Self {
        Self {
            ledger,
            waiting: Mutex::default(),
            tracker,
            lane,
            find: Box::new(find),
            held: Arc::default(),
            streams: Semaphore::new(STREAMS),
            told_of_loop: AtomicBool::new(false),
            told_of_absence: AtomicBool::new(false),
        }
    }

    /// Queues items for one call, or counts them as lost. The next item that is queued reports
    /// the loss to the Tail Worker.
    pub(super) fn push(self: &Arc<Self>, items: &[Arc<TraceItem>], target: &Arc<Target>) {
        let count = items.len() as u64;
        if !self.ledger.produced(count) {
            return;
        }
        if depth(items) > DEPTH {
            self.log_loop(items);
            return self.lose(count, Reason::Loop);
        }
        let entry = Entry {
            items: items.to_vec(),
            target: Arc::clone(target),
            lost_before: 0,
            _pending: Some(self.tracker.token()),
        };
        let pushed = self.waiting().push(entry, clock::instant());
        match pushed {
            Pushed::Start => self.start(),
            Pushed::Waits => {}
            Pushed::Full => self.lose(count, Reason::QueueFull),
        }
    }

    /// Opens a stream to the Tail Worker for an invocation that is one less deep, or counts it as
    /// lost.
    pub(crate) fn stream(
        self: &Arc<Self>,
        target: &Arc<Target>,
        depth: u32,
    ) -> Option<StreamSender> {
        if !self.ledger.produced(1) {
            return None;
        }
        let refuse = |reason: Reason| {
            self.ledger.lost(1, reason.text());
            None
        };
        if depth > DEPTH {
            return refuse(Reason::Loop);
        }
        let Some(charge) = self.held.open() else {
            return refuse(Reason::QueueFull);
        };
        let open = OpenStream {
            queue: Arc::clone(self),
            end: Err(Reason::HostFailed),
            _charge: charge,
            _pending: self.tracker.token(),
        };
        let (sender, stream) = stream(&self.held);
        self.lane.spawn(open.run(stream, Arc::clone(target), depth));
        Some(sender)
    }

    /// Stops further calls. Items that wait, or come later, are lost.
    pub(super) fn close(&self) {
        let entries = self.waiting().clear();
        let items = entries.iter().map(|entry| entry.items.len() as u64);
        self.ledger.close_for(items.sum(), Reason::Ended.text());
        self.streams.close();
    }

    fn start(self: &Arc<Self>) {
        let place = Place {
            queue: Arc::clone(self),
            has_begun: false,
        };
        self.lane.spawn(place.calls());
    }

    fn lose(&self, items: u64, reason: Reason) {
        self.waiting().lost(items);
        // Without its Worker each item is lost. To log the first is enough.
        if reason == Reason::NotDeployed && self.told_of_absence.swap(true, Relaxed) {
            self.ledger.lost_unlogged(items, reason.text());
        } else {
            self.ledger.lost(items, reason.text());
        }
    }

    fn log_loop(&self, items: &[Arc<TraceItem>]) {
        if self.told_of_loop.swap(true, Relaxed) {
            return;
        }
        let producer = items
            .first()
            .and_then(|item| item.script.script_name.clone());
        tracing::warn!(
            "tail consumer `{}` is part of a loop: its calls lead back to the Worker `{}`, whose items it receives. After {DEPTH} calls and tails in a row the next item is not delivered",
            self.ledger.delivery().consumer,
            producer.unwrap_or_default()
        );
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the depth of the invocation that receives these items.
pub(crate) fn depth(items: &[Arc<TraceItem>]) -> u32 {
    let deepest = items.iter().map(|item| item.depth).max();
    deepest.unwrap_or(0).saturating_add(1)
}

/// One of the concurrent calls of a Tail Worker.
struct Place {
    queue: Arc<TailQueue>,
    has_begun: bool,
}

impl Place {
    /// Calls the Tail Worker until no item waits.
    async fn calls(mut self) {
        loop {
            let worker = (self.queue.find)();
            let size = worker.as_ref().map(|worker| worker.batch());
            let TailBatch { items, wait } = size.unwrap_or_default();
            if !self.has_begun {
                let pause = self.queue.waiting().pause(items, clock::instant());
                let wait = wait.max(pause);
                if !wait.is_zero() {
                    tokio::time::sleep(wait).await;
                }
            }
            let batch = Batch {
                queue: Arc::clone(&self.queue),
                entries: self.next(items),
                counted: false,
            };
            if batch.entries.is_empty() {
                return;
            }
            batch.deliver(worker).await;
        }
    }

    /// Takes the entries of the next call.
    fn next(&mut self, max_items: usize) -> Vec<Entry> {
        if self.has_begun {
            return self.queue.waiting().go_on(max_items);
        }
        self.has_begun = true;
        let (entries, starts) = self.queue.waiting().begin(max_items);
        if starts {
            self.queue.start();
        }
        entries
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.has_begun {
            // The runtime stops.
            return self.queue.waiting().abandon();
        }
        // An item may have arrived since the queue was found empty, or the host failed in the
        // middle of a call.
        let starts = self.queue.waiting().leave();
        if starts {
            self.queue.start();
        }
    }
}

/// A stream that has not ended. It is counted when this is dropped.
struct OpenStream {
    queue: Arc<TailQueue>,
    end: Result<(), Reason>,
    _charge: Charge,
    /// Keeps the runtime from counting as idle.
    _pending: TaskTrackerToken,
}

impl OpenStream {
    /// Runs the stream once it has a place. Its events wait until then.
    async fn run(mut self, stream: TailStream, target: Arc<Target>, depth: u32) {
        let queue = Arc::clone(&self.queue);
        let Ok(_place) = queue.streams.acquire().await else {
            self.end = Err(Reason::Ended);
            return;
        };
        self.end = match (queue.find)() {
            Some(worker) => {
                let ended = worker.tail_stream(stream, target, depth).await;
                ended.map_err(Reason::NotBegun)
            }
            None => Err(Reason::NotDeployed),
        };
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        match self.end {
            Ok(()) => self.queue.ledger.delivered(1),
            Err(reason) => self.queue.ledger.lost(1, reason.text()),
        }
    }
}

/// The entries of one call. They are counted when this is dropped, whether or not the call was
/// completed.
struct Batch {
    queue: Arc<TailQueue>,
    entries: Vec<Entry>,
    counted: bool,
}

impl Batch {
    async fn deliver(mut self, worker: Option<Arc<dyn TailWorker>>) {
        let first = self.entries.first().map(|entry| Arc::clone(&entry.target));
        let (Some(worker), Some(target)) = (worker, first) else {
            return self.lost(Reason::NotDeployed);
        };
        let mut pause = FIRST_PAUSE;
        loop {
            let target = Arc::clone(&target);
            let called = Arc::clone(&worker).tail(self.items(), target, self.depth());
            let called = called.await;
            match called {
                Ok(()) => return self.delivered(),
                Err(NotBegun::NoInstance) if pause <= LAST_PAUSE => {
                    tokio::time::sleep(pause).await;
                    pause *= 2;
                }
                Err(reason) => return self.lost(Reason::NotBegun(reason)),
            }
        }
    }

    fn items(&self) -> Vec<Arc<TraceItem>> {
        let mut items = Vec::with_capacity(self.entries.len());
        for entry in &self.entries {
            let first = items.len();
            items.extend(entry.items.iter().cloned());
            if entry.lost_before > 0
                && let Some(first) = items.get_mut(first)
            {
                *first = Arc::new(TraceItem {
                    lost_items: entry.lost_before,
                    ..TraceItem::clone(first)
                });
            }
        }
        items
    }

    fn depth(&self) -> u32 {
        let depths = self.entries.iter().map(|entry| depth(&entry.items));
        depths.max().unwrap_or(0)
    }

    fn count(&self) -> u64 {
        self.entries
            .iter()
            .map(|entry| entry.items.len() as u64)
            .sum()
    }

    fn delivered(&mut self) {
        self.counted = true;
        self.queue.ledger.delivered(self.count());
    }

    fn lost(&mut self, reason: Reason) {
        self.counted = true;
        // The entries that are lost carried the count of earlier losses.
        let earlier = self.entries.iter().map(|entry| entry.lost_before).sum();
        self.queue.waiting().lost(earlier);
        self.queue.lose(self.count(), reason);
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        if !self.counted {
            self.lost(Reason::HostFailed);
        }
        let bytes = self.entries.iter().map(Entry::bytes).sum();
        self.queue.waiting().release(bytes);
    }
}

#[cfg(test)]
mod tests;
