//! The items that wait for one Tail Worker.

use crate::settings::Target;
use std::collections::VecDeque;
use std::sync::Arc;
use taffrail_trace::TraceItem;
use tokio_util::task::task_tracker::TaskTrackerToken;

/// Bytes of the items that wait for one Tail Worker or are in its calls: some
/// seconds of plain load, and what a small machine can spare.
pub(super) const QUEUED_BYTES: usize = 64 << 20;

/// Calls of one Tail Worker at a time. One that hangs keeps one of these
/// places, and the queue behind them bounds what that costs.
pub(super) const CONCURRENT_CALLS: usize = 32;

/// Bytes of the items of one call: a Tail Worker that copes with its largest
/// item has to cope with a batch, too.
const BATCH_BYTES: usize = 1 << 20;

/// Entries that are looked at for those that may go into one call.
const LOOK_AHEAD: usize = 256;

/// What goes to the Tail Worker in one call: one item, or those of a dispatcher
/// and its user Workers.
pub(super) struct Entry {
    pub(super) items: Vec<Arc<TraceItem>>,
    pub(super) target: Arc<Target>,
    /// Items before these that were lost, and that the Tail Worker has not been
    /// told of.
    pub(super) lost_before: u64,
    /// Keeps the runtime from counting as idle.
    pub(super) _pending: Option<TaskTrackerToken>,
}

impl Entry {
    pub(super) fn bytes(&self) -> usize {
        self.items.iter().map(|item| item.held_bytes).sum()
    }
}

/// What becomes of an entry that comes.
pub(super) enum Pushed {
    /// There is a place for a call: the entry is to have it.
    Call(Entry),
    /// It waits for one.
    Waits,
    /// There is no room.
    Full,
}

/// A queue that is bounded by bytes.
#[derive(Default)]
pub(super) struct Waiting {
    entries: VecDeque<Entry>,
    /// Of the entries here and in calls.
    bytes: usize,
    calls: usize,
    /// Lost items that the Tail Worker has not been told of.
    untold: u64,
}

impl Waiting {
    pub(super) fn push(&mut self, mut entry: Entry) -> Pushed {
        let bytes = self.bytes.saturating_add(entry.bytes());
        if bytes > QUEUED_BYTES {
            return Pushed::Full;
        }
        self.bytes = bytes;
        entry.lost_before = std::mem::take(&mut self.untold);
        if self.calls < CONCURRENT_CALLS {
            self.calls += 1;
            return Pushed::Call(entry);
        }
        self.entries.push_back(entry);
        Pushed::Waits
    }

    /// Counts lost items, of which the next entry will tell.
    pub(super) fn lost(&mut self, items: u64) {
        self.untold += items;
    }

    /// The entries for the next call in this place: the first one, and those
    /// for the same target that fit beside it.
    pub(super) fn next(&mut self, max_items: usize) -> Vec<Entry> {
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
            if entry.target != batch[0].target {
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

    /// Gives up the room of entries whose call is over.
    pub(super) fn release(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    /// Gives up a place, but for an entry that came to wait for it.
    pub(super) fn leave(&mut self) -> Option<Entry> {
        let entry = self.entries.pop_front();
        if entry.is_none() {
            self.calls -= 1;
        }
        entry
    }

    /// Takes everything out that waits.
    pub(super) fn clear(&mut self) -> VecDeque<Entry> {
        std::mem::take(&mut self.entries)
    }
}

#[cfg(test)]
mod tests;
