//! Items that wait to be sent, bounded by their bytes.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use taffrail_trace::TraceItem;
use tokio::sync::{Notify, watch};

/// The most bytes of items that wait for one signal, those included that are being sent.
pub(crate) const QUEUE_BYTES: usize = 32 << 20;

/// The most items of one message, and their bytes. Collectors refuse messages of more than 20 MiB
/// or less, and an item has 256 KiB at most.
const BATCH_ITEMS: usize = 1000;
const BATCH_BYTES: usize = 1 << 20;

/// What an item occupies beyond what it says itself.
const ITEM_BYTES: usize = size_of::<TraceItem>();

/// Returns an item without what is not to be sent. Called where it may take a while.
pub type Edit = Arc<dyn Fn(&TraceItem) -> TraceItem + Send + Sync>;

/// An item that waits.
#[derive(Clone)]
pub(crate) struct Waiting {
    pub(crate) item: Arc<TraceItem>,
    pub(crate) edit: Option<Edit>,
}

/// A queue of items, of which one task takes batches.
pub(crate) struct Queue {
    state: Mutex<State>,
    limit: usize,
    /// Raised when a batch may be ready that was not.
    more: Notify,
    /// How many items have left the queue for good.
    done: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    items: VecDeque<Waiting>,
    /// Bytes of the items in the queue, and of those that are being sent.
    bytes: usize,
    /// Bytes of those in the queue alone.
    queued_bytes: usize,
    pushed: u64,
    taken: u64,
    /// Items up to this number are not to wait for others.
    hurried: u64,
    is_closed: bool,
}

/// Why an item is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotAccepted {
    /// It has no room.
    Full,
    /// The queue is closed.
    Closed,
}

/// Items that are sent together.
pub(crate) struct Taken {
    pub(crate) items: Vec<Waiting>,
    bytes: usize,
}

impl Queue {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            state: Mutex::default(),
            limit,
            more: Notify::new(),
            done: watch::Sender::new(0),
        }
    }

    /// Adds an item. Does not block.
    pub(crate) fn push(&self, waiting: Waiting) -> Result<(), NotAccepted> {
        let mut state = self.state();
        if state.is_closed {
            return Err(NotAccepted::Closed);
        }
        let bytes = bytes_of(&waiting.item);
        if state.bytes + bytes > self.limit {
            return Err(NotAccepted::Full);
        }
        let was_empty = state.items.is_empty();
        let was_full = state.is_full();
        state.bytes += bytes;
        state.queued_bytes += bytes;
        state.pushed += 1;
        state.items.push_back(waiting);
        // Each of these is once a batch, so that the task is not woken for each item.
        let is_news = was_empty || !was_full && state.is_full();
        drop(state);
        if is_news {
            self.more.notify_one();
        }
        Ok(())
    }

    /// Waits until a batch is full, or until the first item has waited for `delay`, or somebody
    /// waits for the items. Then takes the batch. Returns `None` when the queue is closed and
    /// empty.
    pub(crate) async fn take(&self, delay: Duration) -> Option<Taken> {
        let mut delayed = None;
        loop {
            {
                let mut state = self.state();
                if state.items.is_empty() {
                    if state.is_closed {
                        return None;
                    }
                } else if state.is_due() {
                    return Some(state.take());
                } else if delayed.is_none() {
                    delayed = Some(Box::pin(tokio::time::sleep(delay)));
                }
            }
            match &mut delayed {
                None => self.more.notified().await,
                Some(delayed) => tokio::select! {
                    () = delayed => return Some(self.state().take()),
                    () = self.more.notified() => {}
                },
            }
        }
    }

    /// Notes that items that were taken are sent or lost.
    pub(crate) fn done(&self, taken: &Taken) {
        self.state().bytes -= taken.bytes;
        let items = taken.items.len() as u64;
        self.done.send_modify(|done| *done += items);
    }

    /// Waits until all items so far are sent or lost.
    pub(crate) async fn flush(&self) {
        let pushed = {
            let mut state = self.state();
            state.hurried = state.pushed;
            state.pushed
        };
        self.more.notify_one();
        // The sender lives as long as the queue.
        _ = self.done.subscribe().wait_for(|done| *done >= pushed).await;
    }

    /// Accepts nothing more. What waits is taken without delay.
    pub(crate) fn close(&self) {
        self.state().is_closed = true;
        self.more.notify_one();
    }

    /// Takes all that waits, at once.
    pub(crate) fn take_all(&self) -> Taken {
        self.state().take_up_to(usize::MAX, usize::MAX)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_full(&self) -> bool {
        self.items.len() >= BATCH_ITEMS || self.queued_bytes >= BATCH_BYTES
    }

    fn is_due(&self) -> bool {
        self.is_full() || self.is_closed || self.taken < self.hurried
    }

    fn take(&mut self) -> Taken {
        self.take_up_to(BATCH_ITEMS, BATCH_BYTES)
    }

    fn take_up_to(&mut self, most_items: usize, most_bytes: usize) -> Taken {
        let (mut items, mut bytes) = (Vec::new(), 0);
        while items.len() < most_items
            && bytes < most_bytes
            && let Some(waiting) = self.items.pop_front()
        {
            bytes += bytes_of(&waiting.item);
            items.push(waiting);
        }
        self.queued_bytes -= bytes;
        self.taken += items.len() as u64;
        Taken { items, bytes }
    }
}

fn bytes_of(item: &TraceItem) -> usize {
    ITEM_BYTES + item.held_bytes
}
