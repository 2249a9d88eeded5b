//! Keeps the items of Workers as logs.

use crate::config::WorkerConfig;
use crate::error::Result;
use crate::progress::Progress;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;
use taffrail_logs::{Counts, Entry, Privacy, Retention, Writer, is_failure, is_sampled};
use taffrail_runtime::{Ledger, TailConsumer, WorkerId};
use taffrail_trace::TraceItem;

/// The folder of the logs, in that for the data of Workers.
const FOLDER: &str = "logs";

/// The name of the logs as a consumer of items.
const NAME: &str = "logs";

/// An invocation is slow if it lasts at least this long.
const SLOW: Duration = Duration::from_secs(1);

/// The native consumer that keeps items of Workers whose configuration asks for it.
pub(crate) struct Logs {
    /// Missing if data is kept in memory.
    folder: Option<PathBuf>,
    progress: Arc<dyn Progress>,
    /// By the names of Workers.
    policies: RwLock<HashMap<String, Arc<Policy>>>,
    /// Opened for the first Worker with logs.
    store: OnceLock<Store>,
}

/// Which items of one Worker are kept, and how.
struct Policy {
    invocation_logs: bool,
    keep_failures: bool,
    keep_slow: bool,
    privacy: Arc<Privacy>,
}

struct Store {
    ledger: Arc<Ledger>,
    /// Missing if the folder cannot be used.
    writer: Option<Writer>,
}

struct InLedger(Arc<Ledger>);

impl Counts for InLedger {
    fn accepted(&self, items: u64) {
        self.0.delivered(items);
    }

    fn lost(&self, items: u64, reason: &str) {
        self.0.lost(items, reason);
    }
}

impl Logs {
    /// Keeps logs in a folder for the data of Workers.
    pub(crate) fn new(data: Option<&PathBuf>, progress: Arc<dyn Progress>) -> Self {
        Self {
            folder: data.map(|data| data.join(FOLDER)),
            progress,
            policies: RwLock::default(),
            store: OnceLock::new(),
        }
    }

    /// Takes the settings of a Worker that is about to be deployed.
    pub(crate) fn set(&self, worker: &WorkerConfig) -> Result<()> {
        let settings = &worker.logs;
        let mut policies = self
            .policies
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let Some(folder) = self.folder.as_ref().filter(|_| settings.enabled) else {
            policies.remove(&worker.name);
            return Ok(());
        };
        let policy = Policy {
            invocation_logs: settings.invocation_logs,
            keep_failures: settings.keep_failures,
            keep_slow: settings.keep_slow,
            privacy: Arc::new(settings.privacy()?),
        };
        policies.insert(worker.name.clone(), Arc::new(policy));
        self.store
            .get_or_init(|| self.open(folder.clone(), settings.retention));
        Ok(())
    }

    fn open(&self, folder: PathBuf, retention: Retention) -> Store {
        let ledger = Ledger::new(NAME);
        let counts = Box::new(InLedger(Arc::clone(&ledger)));
        let writer = match Writer::start(folder, retention, counts) {
            Ok(writer) => Some(writer),
            Err(error) => {
                self.progress.warn(&format!("logs are not kept: {error}"));
                ledger.close(&error.to_string());
                None
            }
        };
        Store { ledger, writer }
    }

    /// Waits until all items are kept. Later ones are lost, and counted.
    pub(crate) async fn finish(&self) {
        if let Some(writer) = self.store.get().and_then(|store| store.writer.as_ref()) {
            writer.finish().await;
        }
    }

    /// Gives up items that are not kept yet.
    pub(crate) fn close(&self) {
        if let Some(store) = self.store.get() {
            store.ledger.close("Taffrail stopped before it was written");
        }
    }

    fn policy(&self, worker: &str) -> Option<Arc<Policy>> {
        let policies = self.policies.read().unwrap_or_else(PoisonError::into_inner);
        policies.get(worker).cloned()
    }
}

impl Policy {
    /// Whether an item is kept whatever the sampling rate.
    fn always_keeps(&self, item: &TraceItem) -> bool {
        self.keep_failures && is_failure(item) || self.keep_slow && item.wall_time >= SLOW
    }
}

impl TailConsumer for Logs {
    fn receives(&self, worker: &WorkerId) -> bool {
        let name = worker.deployed_name();
        name.is_some_and(|name| self.policy(name).is_some())
    }

    fn deliver(&self, item: &Arc<TraceItem>) {
        let worker = item.script.script_name.as_deref();
        let Some((policy, store)) = worker
            .and_then(|worker| self.policy(worker))
            .zip(self.store.get())
        else {
            return;
        };
        let rate = item.log_sampling_rate;
        let sample_interval = match policy.always_keeps(item) {
            true => 1.0,
            false if is_sampled(&item.request_id, rate) => 1.0 / rate,
            false => return,
        };
        if !store.ledger.produced(1) {
            return;
        }
        if let Some(writer) = &store.writer {
            writer.push(Entry {
                item: Arc::clone(item),
                sample_interval: Some(sample_interval),
                shows_invocation: policy.invocation_logs,
                tails: Vec::new(),
                privacy: Arc::clone(&policy.privacy),
            });
        }
    }

    fn ledger(&self) -> Option<&Arc<Ledger>> {
        self.store.get().map(|store| &store.ledger)
    }
}
