//! What waits for one live tail.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use taffrail_trace::TraceItem;
use tokio::sync::Notify;

/// The most bytes of items that wait for a slow client.
pub(crate) const WAITING_BYTES: usize = 4 << 20;

/// What the client is told next.
#[derive(Debug)]
pub(crate) enum Entry {
    Item(Arc<TraceItem>),
    /// So many items did not fit, after those before and before those behind it.
    Missed(u64),
}

/// A queue with one reader. Items that do not fit are counted where they would be.
#[derive(Default)]
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    changed: Notify,
}

#[derive(Default)]
struct Waiting {
    entries: VecDeque<Entry>,
    bytes: usize,
    closed: bool,
}

impl Queue {
    /// Adds an item, or counts it if there is no room for it.
    pub(crate) fn push(&self, item: &Arc<TraceItem>) {
        let mut waiting = self.waiting();
        if waiting.closed {
            return;
        }
        let bytes = waiting.bytes + item.held_bytes;
        match waiting.entries.back_mut() {
            _ if bytes <= WAITING_BYTES => {
                waiting.bytes = bytes;
                waiting.entries.push_back(Entry::Item(Arc::clone(item)));
            }
            Some(Entry::Missed(missed)) => *missed += 1,
            _ => waiting.entries.push_back(Entry::Missed(1)),
        }
        drop(waiting);
        self.changed.notify_one();
    }

    /// Ends the queue after what waits in it.
    pub(crate) fn close(&self) {
        self.waiting().closed = true;
        self.changed.notify_one();
    }

    /// Waits for the next entry. `None` after the last one of a closed queue.
    pub(crate) async fn next(&self) -> Option<Entry> {
        loop {
            let changed = self.changed.notified();
            {
                let mut waiting = self.waiting();
                if let Some(entry) = waiting.entries.pop_front() {
                    if let Entry::Item(item) = &entry {
                        waiting.bytes -= item.held_bytes;
                    }
                    return Some(entry);
                }
                if waiting.closed {
                    return None;
                }
            }
            changed.await;
        }
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting().entries.is_empty()
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use taffrail_trace::{End, EventInfo, Script, TraceBuilder};

    fn item(bytes: usize) -> Arc<TraceItem> {
        let trace = TraceBuilder::new(Script::default(), EventInfo::Custom {}, 1, "id".into());
        let mut item = trace.finish(End::default());
        item.held_bytes = bytes;
        Arc::new(item)
    }

    async fn shown(queue: &Queue) -> Vec<String> {
        let mut shown = Vec::new();
        while let Some(entry) = queue.next().await {
            shown.push(match entry {
                Entry::Item(item) => item.held_bytes.to_string(),
                Entry::Missed(missed) => format!("{missed} missed"),
            });
        }
        shown
    }

    #[tokio::test]
    async fn what_does_not_fit_is_counted_in_its_place() {
        let queue = Queue::default();
        let half = WAITING_BYTES / 2;
        queue.push(&item(half));
        queue.push(&item(half));
        queue.push(&item(1));
        queue.push(&item(2));
        assert!(matches!(queue.next().await, Some(Entry::Item(_))));
        queue.push(&item(3));
        queue.push(&item(half));
        queue.close();
        queue.push(&item(4));
        let half = half.to_string();
        assert_eq!(shown(&queue).await, [&half, "2 missed", "3", "1 missed"]);
    }
}
