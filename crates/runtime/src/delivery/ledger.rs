//! What became of the items for one tail consumer.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::runtime::Handle;

/// What became of the items for one tail consumer so far.
///
/// `produced` is always `delivered + lost + waiting`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// The name of the Tail Worker, or the one that a native consumer has given
    /// itself.
    pub consumer: String,
    /// Items of finished invocations that were for it.
    pub produced: u64,
    /// Items with which it was called until the call ended, however that was:
    /// a call that fails shows in the item of the Tail Worker itself.
    pub delivered: u64,
    /// Items that it was not called with, and will not be.
    pub lost: u64,
    /// Items in its queue and in calls that have not ended.
    pub waiting: u64,
    /// The lost items by the reason.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub reasons: BTreeMap<String, u64>,
}

impl Delivery {
    /// Adds what another one counts.
    pub(super) fn add(&mut self, other: &Self) {
        self.produced += other.produced;
        self.delivered += other.delivered;
        self.lost += other.lost;
        self.waiting += other.waiting;
        for (reason, items) in &other.reasons {
            *self.reasons.entry(reason.clone()).or_default() += items;
        }
    }
}

/// How often the log tells what one consumer has lost.
const TOLD_EVERY: Duration = Duration::from_secs(1);

/// Counts what becomes of the items for one tail consumer, and logs what is
/// lost: at once, and then at most one line a second with the total.
pub struct Ledger {
    counts: Mutex<Counts>,
    tokio: Handle,
}

struct Counts {
    delivery: Delivery,
    /// The last reason for a loss.
    reason: String,
    /// How much of what is lost the log has told.
    told: u64,
    /// Whether the log has told something in this second.
    quiet: bool,
    /// Why nothing more is delivered, once that is so.
    closed: Option<String>,
}

impl Ledger {
    /// A ledger for the consumer of this name.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    #[must_use]
    pub fn new(consumer: impl Into<String>) -> Arc<Self> {
        let delivery = Delivery {
            consumer: consumer.into(),
            ..Delivery::default()
        };
        Arc::new(Self {
            counts: Mutex::new(Counts {
                delivery,
                reason: String::new(),
                told: 0,
                quiet: false,
                closed: None,
            }),
            tokio: Handle::current(),
        })
    }

    /// Counts items that are for the consumer. They wait, unless the ledger is
    /// [closed](Self::close): that it returns.
    pub fn produced(&self, items: u64) -> bool {
        let mut counts = self.counts();
        counts.delivery.produced += items;
        match counts.closed.clone() {
            Some(reason) => {
                counts.lose(items, &reason);
                false
            }
            None => {
                counts.delivery.waiting += items;
                true
            }
        }
    }

    /// Counts items that the consumer has received.
    pub fn delivered(&self, items: u64) {
        let mut counts = self.counts();
        let items = counts.leave(items);
        counts.delivery.delivered += items;
    }

    /// Counts items that the consumer will not receive. `reason` is a sentence
    /// about it without its end, such as `its queue is full`.
    pub fn lost(self: &Arc<Self>, items: u64, reason: &str) {
        let mut counts = self.counts();
        let items = counts.leave(items);
        counts.lose(items, reason);
        if counts.quiet || !counts.has_to_tell() {
            return;
        }
        counts.quiet = true;
        counts.told = counts.delivery.lost;
        let line = counts.line();
        drop(counts);
        tracing::warn!("{line}");
        self.tokio.spawn(tell_the_rest(Arc::downgrade(self)));
    }

    /// Counts everything as lost that waits, and what comes later, too. The log
    /// says no more: to tell of it all is left to the caller.
    pub fn close(&self, reason: &str) {
        self.close_for(u64::MAX, reason);
    }

    /// Counts so many of the items as lost that wait, and what comes later.
    pub(super) fn close_for(&self, items: u64, reason: &str) {
        let mut counts = self.counts();
        let items = counts.leave(items);
        counts.lose(items, reason);
        counts.closed.get_or_insert_with(|| reason.to_owned());
    }

    /// What became of the items so far.
    #[must_use]
    pub fn delivery(&self) -> Delivery {
        self.counts().delivery.clone()
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    /// Takes items out of those that wait. After the end none do: they are
    /// counted already.
    fn leave(&mut self, items: u64) -> u64 {
        let items = items.min(self.delivery.waiting);
        self.delivery.waiting -= items;
        items
    }

    fn lose(&mut self, items: u64, reason: &str) {
        if items == 0 {
            return;
        }
        self.delivery.lost += items;
        let reasons = &mut self.delivery.reasons;
        match reasons.get_mut(reason) {
            Some(count) => *count += items,
            None => _ = reasons.insert(reason.to_owned(), items),
        }
        if self.reason != reason {
            reason.clone_into(&mut self.reason);
        }
    }

    fn has_to_tell(&self) -> bool {
        self.told < self.delivery.lost && self.closed.is_none()
    }

    fn line(&self) -> String {
        let Delivery {
            consumer,
            lost,
            produced,
            ..
        } = &self.delivery;
        format!(
            "tail consumer `{consumer}`: {lost} of {produced} item(s) lost so far, the last since {}",
            self.reason
        )
    }
}

async fn tell_the_rest(ledger: Weak<Ledger>) {
    loop {
        tokio::time::sleep(TOLD_EVERY).await;
        let Some(ledger) = ledger.upgrade() else {
            return;
        };
        let line = {
            let mut counts = ledger.counts();
            if !counts.has_to_tell() {
                counts.quiet = false;
                return;
            }
            counts.told = counts.delivery.lost;
            counts.line()
        };
        tracing::warn!("{line}");
    }
}

#[cfg(test)]
mod tests;
