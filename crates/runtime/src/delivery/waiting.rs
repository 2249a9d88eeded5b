//! The items that wait for one Tail Worker.

use crate::settings::Target;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};
use taffrail_trace::TraceItem;
use tokio_util::task::task_tracker::TaskTrackerToken;

/// Bytes of the items that wait for one Tail Worker or are in its calls. Enough for some seconds
/// of ordinary load, and affordable on a small machine.
pub(super) const QUEUED_BYTES: usize = 64 << 20;

/// Concurrent calls of one Tail Worker. A call that hangs occupies one of them; the bounded queue
/// limits what that costs.
pub(super) const CONCURRENT_CALLS: usize = 32;

/// Bytes of the items of one call. A Tail Worker that can process its largest item can also
/// process a batch of this size.
const BATCH_BYTES: usize = 1 << 20;

/// How many entries are searched for those that may share a call.
const LOOK_AHEAD: usize = 256;

/// A Tail Worker is busy if this many entries came in a [`WINDOW`].
const BUSY: u32 = 8;
const WINDOW: Duration = Duration::from_millis(2);

/// How long a call of a busy Tail Worker waits for further entries. To start a call costs as much as
/// some items do.
pub(super) const PAUSE: Duration = Duration::from_millis(1);

/// Items that go to the Tail Worker in one call: a single item, or those of a dispatcher and its
/// user Workers.
pub(super) struct Entry {
    pub(super) items: Vec<Arc<TraceItem>>,
    pub(super) target: Arc<Target>,
    /// How many earlier items were lost without a report to the Tail Worker.
    pub(super) lost_before: u64,
    /// Keeps the runtime from counting as idle.
    pub(super) _pending: Option<TaskTrackerToken>,
}

impl Entry {
    pub(super) fn bytes(&self) -> usize {
        self.items.iter().map(|item| item.held_bytes).sum()
    }

    /// Whether it may share a call with other entries: those for the same target, if they have
    /// other items. A Tail Worker that is listed twice is called twice.
    fn goes_with(&self, entries: &[Self]) -> bool {
        let same = |a: Option<&Arc<_>>, b: Option<&Arc<_>>| {
            a.zip(b).is_some_and(|(a, b)| Arc::ptr_eq(a, b))
        };
        entries.iter().all(|entry| {
            entry.target == self.target && !same(entry.items.first(), self.items.first())
        })
    }
}

/// The result of pushing an entry.
pub(super) enum Pushed {
    /// The entry waits, and a call is to start.
    Start,
    /// The entry waits for a call that is starting, or for one to end.
    Waits,
    /// There is no room, and the entry is lost.
    Full,
}

/// A queue with a limit of bytes.
#[derive(Default)]
pub(super) struct Waiting {
    entries: VecDeque<Entry>,
    /// The size of the entries in this queue and in calls.
    bytes: usize,
    calls: usize,
    /// Whether one of the calls has yet to take its entries.
    is_starting: bool,
    /// Lost items that have not been reported to the Tail Worker.
    unreported: u64,
    arrivals: Arrivals,
}

impl Waiting {
    /// Adds an entry that comes at this time.
    pub(super) fn push(&mut self, mut entry: Entry, now: Instant) -> Pushed {
        let bytes = self.bytes.saturating_add(entry.bytes());
        if bytes > QUEUED_BYTES {
            return Pushed::Full;
        }
        self.bytes = bytes;
        self.arrivals.add(now);
        entry.lost_before = std::mem::take(&mut self.unreported);
        self.entries.push_back(entry);
        if self.start() {
            Pushed::Start
        } else {
            Pushed::Waits
        }
    }

    /// Returns whether a call is to start. A busy machine takes its time for that, so entries that
    /// come meanwhile go along.
    fn start(&mut self) -> bool {
        let starts = !self.entries.is_empty() && !self.is_starting && self.calls < CONCURRENT_CALLS;
        if starts {
            self.is_starting = true;
            self.calls += 1;
        }
        starts
    }

    /// Returns how long a call that starts now waits for further entries, of which it takes
    /// `max_items`.
    pub(super) fn pause(&self, max_items: usize, now: Instant) -> Duration {
        if self.arrivals.are_many(now) && self.entries.len() < max_items {
            PAUSE
        } else {
            Duration::ZERO
        }
    }

    /// Takes the entries for a call that has started. Returns whether another one is to start for
    /// the entries that are left.
    pub(super) fn begin(&mut self, max_items: usize) -> (Vec<Entry>, bool) {
        self.is_starting = false;
        (self.next(max_items), self.start())
    }

    /// Takes the entries for a further call in the place of one that has ended: none if a call is
    /// starting that can take them all.
    pub(super) fn go_on(&mut self, max_items: usize) -> Vec<Entry> {
        if self.is_starting && self.entries.len() <= max_items {
            return Vec::new();
        }
        self.next(max_items)
    }

    /// Counts lost items, which the next entry reports.
    pub(super) fn lost(&mut self, items: u64) {
        self.unreported += items;
    }

    /// Takes the entries for the next call: the first one, and those that go with it and fit beside
    /// it.
    fn next(&mut self, max_items: usize) -> Vec<Entry> {
        let Some(first) = self.entries.pop_front() else {
            return Vec::new();
        };
        let (mut items, mut bytes) = (first.items.len(), first.bytes());
        let mut batch = vec![first];
        let mut others = Vec::new();
        while items < max_items && others.len() < LOOK_AHEAD {
            let Some(entry) = self.entries.pop_front() else {
                break;
            };
            if !entry.goes_with(&batch) {
                others.push(entry);
                continue;
            }
            items += entry.items.len();
            bytes += entry.bytes();
            if items > max_items || bytes > BATCH_BYTES {
                others.push(entry);
                break;
            }
            batch.push(entry);
        }
        for entry in others.into_iter().rev() {
            self.entries.push_front(entry);
        }
        batch
    }

    /// Releases the bytes of entries whose call is over.
    pub(super) fn release(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    /// Ends a call. Returns whether another one is to start for the entries that are left.
    pub(super) fn leave(&mut self) -> bool {
        self.calls -= 1;
        self.start()
    }

    /// Ends a call that was given up before it took its entries.
    pub(super) fn abandon(&mut self) {
        self.calls -= 1;
        self.is_starting = false;
    }

    /// Takes out all waiting entries.
    pub(super) fn clear(&mut self) -> VecDeque<Entry> {
        std::mem::take(&mut self.entries)
    }
}

/// How many entries came of late.
#[derive(Default)]
struct Arrivals {
    /// The start of the current window, and the entries in it and in the one before.
    since: Option<Instant>,
    count: u32,
    before: u32,
}

impl Arrivals {
    fn add(&mut self, now: Instant) {
        let age = self.since.map(|since| now.saturating_duration_since(since));
        if age.is_none_or(|age| age >= WINDOW) {
            let is_next = age.is_some_and(|age| age < 2 * WINDOW);
            self.before = if is_next { self.count } else { 0 };
            self.count = 0;
            self.since = Some(now);
        }
        self.count = self.count.saturating_add(1);
    }

    fn are_many(&self, now: Instant) -> bool {
        let is_recent = |since| now.saturating_duration_since(since) < WINDOW;
        self.since.is_some_and(is_recent) && self.count.max(self.before) >= BUSY
    }
}

#[cfg(test)]
mod tests;
