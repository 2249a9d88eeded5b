//! Counts of the items for one tail consumer.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::runtime::Handle;

/// How many items one tail consumer has received, lost, and not yet received.
///
/// `produced` is always `delivered + lost + waiting`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// The name of the Tail Worker, or the name that a native consumer chose for itself.
    pub consumer: String,
    /// Items of finished invocations that the consumer should receive.
    pub produced: u64,
    /// Items that were passed to a call which has ended. A call that fails also counts: the
    /// failure shows in the item of the Tail Worker itself.
    pub delivered: u64,
    /// Items that no call received or will receive.
    pub lost: u64,
    /// Items in the queue and in calls that have not ended.
    pub waiting: u64,
    /// How often items were to be delivered again, after an attempt that failed. Each item of an
    /// attempt counts.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub retried: u64,
    /// The lost items by reason.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub reasons: BTreeMap<String, u64>,
}

impl Delivery {
    /// Adds the counts of another row.
    pub(super) fn add(&mut self, other: &Self) {
        self.produced += other.produced;
        self.delivered += other.delivered;
        self.lost += other.lost;
        self.waiting += other.waiting;
        self.retried += other.retried;
        for (reason, items) in &other.reasons {
            *self.reasons.entry(reason.clone()).or_default() += items;
        }
    }
}

/// How often the log reports what one consumer has lost.
const LOG_INTERVAL: Duration = Duration::from_secs(1);

/// Counts the items for one tail consumer. Logs losses: the first one at once, then at most one
/// line a second with the total.
pub struct Ledger {
    counts: Mutex<Counts>,
    tokio: Handle,
}

struct Counts {
    delivery: Delivery,
    /// The last reason for a loss.
    reason: String,
    /// How many of the lost items the log has reported.
    logged: u64,
    /// Whether the log has had a line within the last interval.
    is_paused: bool,
    /// Why nothing more is delivered, if so.
    closed: Option<String>,
}

impl Ledger {
    /// Creates a ledger for the consumer of this name.
    ///
    /// # Panics
    ///
    /// Panics outside of a tokio runtime.
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
                logged: 0,
                is_paused: false,
                closed: None,
            }),
            tokio: Handle::current(),
        })
    }

    /// Counts items that the consumer should receive. They wait, unless the ledger is
    /// [closed](Self::close). Returns whether they wait.
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

    /// Counts items that the consumer will not receive. `reason` is a clause such as `its queue
    /// is full`.
    pub fn lost(self: &Arc<Self>, items: u64, reason: &str) {
        let mut counts = self.counts();
        let items = counts.leave(items);
        counts.lose(items, reason);
        if counts.is_paused || !counts.has_to_log() {
            return;
        }
        counts.is_paused = true;
        counts.logged = counts.delivery.lost;
        let line = counts.line();
        drop(counts);
        tracing::warn!("{line}");
        self.tokio.spawn(log_the_rest(Arc::downgrade(self)));
    }

    /// Counts lost items as [`lost`](Self::lost) does, without a line in the log.
    pub fn lost_unlogged(&self, items: u64, reason: &str) {
        let mut counts = self.counts();
        let items = counts.leave(items);
        counts.lose(items, reason);
        counts.logged += items;
    }

    /// Counts items of an attempt that has failed, and that is to be repeated. They still wait.
    pub fn retried(&self, items: u64) {
        self.counts().delivery.retried += items;
    }

    /// Takes waiting items out of the counts: a later process will deliver them.
    pub fn postpone(&self) {
        let mut counts = self.counts();
        let items = counts.leave(u64::MAX);
        counts.delivery.produced -= items;
    }

    /// Counts all waiting items, and all later ones, as lost. Logs nothing more: the caller
    /// reports the total.
    pub fn close(&self, reason: &str) {
        self.close_for(u64::MAX, reason);
    }

    /// Counts this many of the waiting items, and all later ones, as lost.
    pub(super) fn close_for(&self, items: u64, reason: &str) {
        let mut counts = self.counts();
        let items = counts.leave(items);
        counts.lose(items, reason);
        counts.closed.get_or_insert_with(|| reason.to_owned());
    }

    /// Returns the counts so far.
    #[must_use]
    pub fn delivery(&self) -> Delivery {
        self.counts().delivery.clone()
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    /// Takes items out of the waiting ones. Once the ledger is closed none are waiting, since
    /// they are already counted as lost.
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

    fn has_to_log(&self) -> bool {
        self.logged < self.delivery.lost && self.closed.is_none()
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

fn is_zero(count: &u64) -> bool {
    *count == 0
}

async fn log_the_rest(ledger: Weak<Ledger>) {
    loop {
        tokio::time::sleep(LOG_INTERVAL).await;
        let Some(ledger) = ledger.upgrade() else {
            return;
        };
        let line = {
            let mut counts = ledger.counts();
            if !counts.has_to_log() {
                counts.is_paused = false;
                return;
            }
            counts.logged = counts.delivery.lost;
            counts.line()
        };
        tracing::warn!("{line}");
    }
}

#[cfg(test)]
mod tests;
