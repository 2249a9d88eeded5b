//! How a finished trace item reaches those who asked for it.

use crate::event::Event;
use crate::settings::Target;
use crate::worker::{Via, Worker};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use taffrail_trace::TraceItem;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

/// Somebody outside WebAssembly who receives the item of every invocation.
///
/// [`deliver`](Self::deliver) is called where the invocation ends, often on
/// the way of a request: it must not block, and puts longer work elsewhere.
pub trait TailConsumer: Send + Sync + 'static {
    /// Takes one finished item.
    fn deliver(&self, item: &Arc<TraceItem>);
}

/// Items that wait for one Tail Worker. An item is at most some 300 KiB, a
/// typical one less than 1.
const QUEUED_ITEMS: usize = 1024;

/// Invocations of one Tail Worker at a time. One that hangs keeps one of these
/// places, and the queue behind them bounds what that costs.
const CONCURRENT_TAILS: usize = 32;

/// The way to one Tail Worker: a bounded queue that never makes a producer
/// wait.
pub(crate) struct TailQueue {
    sender: mpsc::Sender<Queued>,
    lost: Arc<Lost>,
    tracker: TaskTracker,
}

/// What did not reach a tail consumer since the last item that did.
struct Lost {
    worker: String,
    items: AtomicU64,
}

impl Lost {
    fn add(&self, items: u64, reason: &str) {
        let earlier = self.items.fetch_add(items, Relaxed);
        let lost = earlier + items;
        // One line a doubling, not one an item.
        if earlier.checked_ilog2() != lost.checked_ilog2() {
            tracing::warn!(
                "tail consumer `{}` {reason}: {lost} item(s) lost since its last one",
                self.worker
            );
        }
    }
}

struct Queued {
    items: Vec<Arc<TraceItem>>,
    target: Arc<Target>,
    /// Keeps the runtime from counting as idle.
    pending: TaskTrackerToken,
}

impl TailQueue {
    /// Starts a queue whose items go to the Worker that `find` returns when
    /// their turn comes.
    pub(crate) fn start(
        worker: String,
        tracker: TaskTracker,
        find: impl Fn() -> Option<Arc<Worker>> + Send + 'static,
    ) -> Arc<Self> {
        let (sender, receiver) = mpsc::channel(QUEUED_ITEMS);
        let lost = Arc::new(Lost {
            worker,
            items: AtomicU64::new(0),
        });
        tokio::spawn(pump(receiver, Arc::clone(&lost), find));
        Arc::new(Self {
            sender,
            lost,
            tracker,
        })
    }

    /// Queues items for one call, or counts them as lost when the queue is
    /// full. The count goes out with the next item that finds a place.
    pub(crate) fn push(&self, items: &[Arc<TraceItem>], target: &Arc<Target>) {
        let Ok(place) = self.sender.try_reserve() else {
            return self.lost.add(items.len() as u64, "has a full queue");
        };
        let lost_items = self.lost.items.swap(0, Relaxed);
        let mut items = items.to_vec();
        if lost_items > 0
            && let Some(first) = items.first_mut()
        {
            *first = Arc::new(TraceItem {
                lost_items,
                ..TraceItem::clone(first)
            });
        }
        place.send(Queued {
            items,
            target: Arc::clone(target),
            pending: self.tracker.token(),
        });
    }
}

async fn pump(
    mut receiver: mpsc::Receiver<Queued>,
    lost: Arc<Lost>,
    find: impl Fn() -> Option<Arc<Worker>> + Send + 'static,
) {
    let places = Arc::new(Semaphore::new(CONCURRENT_TAILS));
    while let Some(queued) = receiver.recv().await {
        let Queued {
            items,
            target,
            pending,
        } = queued;
        let Some(worker) = find() else {
            // With the item goes the count that it was to take along.
            let earlier: u64 = items.iter().map(|item| item.lost_items).sum();
            lost.add(items.len() as u64 + earlier, "is not deployed");
            continue;
        };
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        tokio::spawn(async move {
            let via = Via {
                target: Some(target),
                ..Via::default()
            };
            worker.dispatch(Event::Tail(items), via).await;
            drop((place, pending));
        });
    }
}
