//! What became of telemetry.

use crate::signal::Signal;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Learns what becomes of items.
pub trait Counts: Send + Sync + 'static {
    /// An item is to be sent.
    fn produced(&self, signal: Signal);

    /// The collector has answered that it has these items, but for records that it rejected,
    /// which [`Records`] counts.
    fn sent(&self, signal: Signal, items: u64);

    /// Items are to be sent again, after an attempt that failed.
    fn retried(&self, signal: Signal, items: u64);

    /// Items are lost. `reason` is a clause such as `the queue is full`.
    fn lost(&self, signal: Signal, items: u64, reason: &str);
}

/// Numbers of records of one signal: spans, log records or data points.
///
/// `produced` is always `sent + rejected + waiting` and all of `lost`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Records {
    /// Records that were to be sent.
    pub produced: u64,
    /// Records that the collector has.
    pub sent: u64,
    /// Records that the collector has rejected from messages that it took.
    pub rejected: u64,
    /// Records that are queued or being sent.
    pub waiting: u64,
    /// Records that no collector has, by reason.
    pub lost: BTreeMap<String, u64>,
}

/// Counts the records of one signal.
#[derive(Default)]
pub(crate) struct RecordCounts(Mutex<Records>);

impl RecordCounts {
    pub(crate) fn produced(&self, records: u64) {
        let mut counts = self.counts();
        counts.produced += records;
        counts.waiting += records;
    }

    /// Counts a message that was taken. A collector cannot reject more than it got.
    pub(crate) fn sent(&self, records: u64, rejected: u64) {
        let rejected = rejected.min(records);
        let mut counts = self.counts();
        counts.waiting -= records;
        counts.sent += records - rejected;
        counts.rejected += rejected;
    }

    pub(crate) fn lost(&self, records: u64, reason: &str) {
        if records == 0 {
            return;
        }
        let mut counts = self.counts();
        counts.waiting -= records;
        match counts.lost.get_mut(reason) {
            Some(lost) => *lost += records,
            None => _ = counts.lost.insert(reason.to_owned(), records),
        }
    }

    pub(crate) fn get(&self) -> Records {
        self.counts().clone()
    }

    fn counts(&self) -> MutexGuard<'_, Records> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
