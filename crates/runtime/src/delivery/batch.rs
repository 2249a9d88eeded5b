//! The items of a dispatcher and of the user Workers that it called.

use crate::delivery::tails::Tails;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use taffrail_trace::TraceItem;
use tokio_util::task::task_tracker::TaskTrackerToken;

/// Collects the items of a dispatcher and of the user Workers that it called. They go to the
/// dispatcher's tails in one call, once the last item has arrived.
pub(crate) struct ItemBatch {
    tails: Arc<Tails>,
    items: Mutex<Items>,
    /// Keeps the runtime from counting as idle.
    _pending: TaskTrackerToken,
}

#[derive(Default)]
struct Items {
    dispatcher: Option<Arc<TraceItem>>,
    users: Vec<Arc<TraceItem>>,
}

/// The most items of user Workers, and their bytes, that wait for the dispatcher's item. Beyond
/// either limit they are delivered without it.
const USER_ITEMS: usize = 100;
const USER_BYTES: usize = 1 << 20;

impl ItemBatch {
    /// Creates a batch for the tails of a dispatcher.
    pub(crate) fn new(tails: &Arc<Tails>, pending: TaskTrackerToken) -> Arc<Self> {
        Arc::new(Self {
            tails: Arc::clone(tails),
            items: Mutex::default(),
            _pending: pending,
        })
    }

    /// Whether the dispatcher has Tail Workers.
    pub(crate) fn has_consumers(&self) -> bool {
        !self.tails.tails.is_empty()
    }

    /// Adds the item of a user Worker.
    pub(super) fn add(&self, item: &Arc<TraceItem>) {
        let mut items = self.items();
        items.users.push(Arc::clone(item));
        let bytes: usize = items.users.iter().map(|item| item.held_bytes).sum();
        if items.users.len() >= USER_ITEMS || bytes > USER_BYTES {
            let full = std::mem::take(&mut items.users);
            drop(items);
            self.tails.deliver(&full);
        }
    }

    /// Adds the item of the dispatcher itself.
    pub(super) fn add_dispatcher(&self, item: &Arc<TraceItem>) {
        self.items().dispatcher = Some(Arc::clone(item));
    }

    fn items(&self) -> MutexGuard<'_, Items> {
        self.items.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for ItemBatch {
    fn drop(&mut self) {
        let items = std::mem::take(self.items.get_mut().unwrap_or_else(PoisonError::into_inner));
        let all: Vec<_> = items.dispatcher.into_iter().chain(items.users).collect();
        if !all.is_empty() {
            self.tails.deliver(&all);
        }
    }
}

#[cfg(test)]
mod tests;
