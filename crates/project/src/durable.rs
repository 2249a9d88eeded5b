//! Delivers items to durable Tail Workers: at least once, in the order in which they ended, and
//! also after a restart.

use crate::blocking::blocking;
use serde_json::json;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use taffrail_logs::{Deliveries, ReadError, Undelivered};
use taffrail_runtime::{ErrorKind, Ledger, Runtime, Target};
use tokio::sync::{Notify, watch};

/// How often a call is attempted, and the pause after the first attempt. Each pause is twice as
/// long as the one before: seven minutes in all.
const ATTEMPTS: u32 = 12;
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// The pause after the store could not be read or written.
const STORE_PAUSE: Duration = Duration::from_secs(1);

/// After so many items for others, a later process does not pass over them again.
const PASSED_OVER: u64 = 1000;

/// Returns the text under which a target is kept with an item.
pub(crate) fn key(target: &Target) -> String {
    let Target {
        worker,
        entrypoint,
        props,
        ..
    } = target;
    json!({"service": worker.to_string(), "entrypoint": entrypoint, "props": **props}).to_string()
}

/// The deliveries of one store, for all targets.
pub(crate) struct Outbox {
    deliveries: Mutex<Deliveries>,
    /// How far each of them has come.
    cursors: Mutex<HashMap<String, u64>>,
}

impl Outbox {
    pub(crate) fn new(deliveries: Deliveries) -> Self {
        Self {
            deliveries: Mutex::new(deliveries),
            cursors: Mutex::default(),
        }
    }

    /// Takes up the deliveries to a target. Returns how many items wait for it.
    pub(crate) fn take_up(&self, key: &str) -> Result<u64, ReadError> {
        let deliveries = self.deliveries();
        let (cursor, count) = (deliveries.cursor(key)?, deliveries.count(key)?);
        self.cursors().insert(key.to_owned(), cursor);
        Ok(count)
    }

    /// Returns the number up to which all items are delivered to all targets.
    pub(crate) fn delivered(&self) -> u64 {
        self.cursors().values().copied().min().unwrap_or(u64::MAX)
    }

    fn deliveries(&self) -> MutexGuard<'_, Deliveries> {
        self.deliveries
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn cursors(&self) -> MutexGuard<'_, HashMap<String, u64>> {
        self.cursors.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the next items for a target. Items for others are passed over once.
    fn next(&self, key: &str, items: usize) -> Result<Vec<Undelivered>, ReadError> {
        let after = self.cursors().get(key).copied().unwrap_or(0);
        let (next, through) = self.deliveries().next(key, after, items)?;
        if next.is_empty() && through > after {
            self.cursors().insert(key.to_owned(), through);
            if through / PASSED_OVER > after / PASSED_OVER {
                self.deliveries().done(key, through)?;
            }
        }
        Ok(next)
    }

    fn done(&self, key: &str, number: u64) -> Result<(), ReadError> {
        self.deliveries().done(key, number)?;
        self.cursors().insert(key.to_owned(), number);
        Ok(())
    }
}

/// The deliveries to one target.
pub(crate) struct Durable {
    pub(crate) target: Target,
    pub(crate) key: String,
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) ledger: Arc<Ledger>,
    /// Raised when there may be more items.
    pub(crate) more: Notify,
    /// How often nothing was left, or a call has failed.
    pub(crate) rests: watch::Sender<u64>,
}

impl Durable {
    /// Delivers items as they come. Never returns. `after` is called when the cursor has moved.
    pub(crate) async fn run(
        self: Arc<Self>,
        runtime: Runtime,
        items: usize,
        after: impl Fn() + Send,
    ) {
        loop {
            let next = match self
                .with_outbox(move |outbox, key| outbox.next(key, items))
                .await
            {
                Ok(next) => next,
                Err(error) => {
                    tracing::warn!("items for `{}` wait: {error}", self.target.worker);
                    self.rest();
                    tokio::time::sleep(STORE_PAUSE).await;
                    continue;
                }
            };
            let Some(last) = next.last().map(|waiting| waiting.number) else {
                after();
                self.rest();
                self.more.notified().await;
                continue;
            };
            self.deliver(&runtime, next).await;
            while let Err(error) = self
                .with_outbox(move |outbox, key| outbox.done(key, last))
                .await
            {
                tracing::warn!(
                    "a delivery to `{}` is not noted: {error}",
                    self.target.worker
                );
                tokio::time::sleep(STORE_PAUSE).await;
            }
            after();
        }
    }

    /// Waits until nothing is left, or until a call fails.
    pub(crate) async fn drain(&self) {
        let mut rests = self.rests.subscribe();
        // The first rest may be that of an attempt that was under way before.
        for _ in 0..2 {
            self.more.notify_one();
            _ = rests.changed().await;
        }
    }

    async fn with_outbox<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Outbox, &str) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, String> {
        let this = Arc::clone(self);
        let done = blocking(move || work(&this.outbox, &this.key)).await;
        let done = done.map_err(|error| error.to_string())?;
        done.map_err(|error| error.to_string())
    }

    fn rest(&self) {
        self.rests.send_modify(|rests| *rests += 1);
    }

    /// Calls the Tail Worker until a run ends well, or until it was attempted often enough.
    async fn deliver(&self, runtime: &Runtime, next: Vec<Undelivered>) {
        let items: Vec<_> = next
            .into_iter()
            .map(|waiting| Arc::new(waiting.item))
            .collect();
        let count = items.len() as u64;
        let mut pause = FIRST_PAUSE;
        for _ in 1..ATTEMPTS {
            match runtime.tail(&self.target, items.clone()).await {
                Ok(true) => return self.ledger.delivered(count),
                Err(error) if error.kind() == ErrorKind::Loop => {
                    return self.ledger.lost(count, "it is part of a loop");
                }
                Ok(false) | Err(_) => {}
            }
            self.ledger.retried(count);
            self.rest();
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        match runtime.tail(&self.target, items).await {
            Ok(true) => self.ledger.delivered(count),
            Ok(false) | Err(_) => {
                let reason = format!("{ATTEMPTS} attempts failed");
                self.ledger.lost(count, &reason);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use taffrail_logs::{Counts, Entry, Retention, Writer};
    use taffrail_trace::TraceItem;

    struct Ignore;

    impl Counts for Ignore {
        fn accepted(&self, _: &[Entry]) {}

        fn lost(&self, entries: &[Entry], reason: &str) {
            panic!("{} items are lost: {reason}", entries.len());
        }
    }

    fn entry(number: u64, tails: &[&str]) -> Entry {
        let item: TraceItem = serde_json::from_value(json!({
            "wallTime": 1, "cpuTime": 1, "truncated": false, "scriptName": "w",
            "executionModel": "stateless", "outcome": "ok", "diagnosticsChannelEvents": [],
            "exceptions": [], "logs": [], "eventTimestamp": 1, "event": {},
            "invocationId": format!("{number:032x}"), "requestId": format!("{number:032x}"),
        }))
        .unwrap();
        Entry {
            item: Arc::new(item),
            sample_interval: Some(1.0),
            keeps_spans: false,
            shows_invocation: true,
            tails: tails.iter().map(|tail| (*tail).to_owned()).collect(),
            privacy: Arc::default(),
        }
    }

    #[tokio::test]
    async fn items_for_others_are_passed_over_and_may_be_removed() {
        let folder = tempfile::tempdir().unwrap();
        let logs = folder.path().join("logs");
        let writer = Writer::start(logs.clone(), Retention::default(), Box::new(Ignore)).unwrap();
        for number in 1..=2500 {
            let tails: &[&str] = if number == 5 { &["a"] } else { &[] };
            writer.push(entry(number, tails));
        }
        writer.flush().await;
        let outbox = Outbox::new(Deliveries::open(logs.clone()).unwrap());
        assert_eq!(outbox.take_up("a").unwrap(), 1);
        assert_eq!(outbox.delivered(), 0);
        assert_eq!(outbox.next("a", 10).unwrap()[0].number, 5);
        outbox.done("a", 5).unwrap();
        assert!(outbox.next("a", 10).unwrap().is_empty());
        assert_eq!(outbox.delivered(), 2500);
        // A later process begins behind them.
        let later = Outbox::new(Deliveries::open(logs).unwrap());
        later.take_up("a").unwrap();
        assert_eq!(later.delivered(), 2500);
        writer.finish().await;
    }
}
