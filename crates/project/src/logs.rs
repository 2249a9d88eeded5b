//! Keeps the items of Workers as logs.

use crate::config::WorkerConfig;
use crate::durable::{self, Durable, Outbox};
use crate::error::{Error, Result};
use crate::progress::Progress;
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock, PoisonError, RwLock, RwLockWriteGuard};
use std::time::Duration;
use taffrail_logs::{
    Counts, Deliveries, Entry, Privacy, Retention, Writer, is_failure, is_sampled,
};
use taffrail_runtime::{Binding, Ledger, Runtime, TailConsumer, Target, WorkerId};
use taffrail_trace::{EventInfo, TraceItem};
use tokio::sync::{Notify, watch};
use tokio_util::task::AbortOnDropHandle;

/// The folder of the logs, in that for the data of Workers.
const FOLDER: &str = "logs";

/// The name of the logs as a consumer of items.
const NAME: &str = "logs";

/// An invocation is slow if it lasts at least this long.
const SLOW: Duration = Duration::from_secs(1);

/// The native consumer that keeps items of Workers whose configuration asks for it, as logs and
/// for durable Tail Workers.
pub(crate) struct Logs {
    /// Missing if data is kept in memory.
    folder: Option<PathBuf>,
    progress: Arc<dyn Progress>,
    /// By the names of Workers.
    policies: RwLock<HashMap<String, Arc<Policy>>>,
    /// Opened for the first Worker whose items are kept.
    store: OnceLock<Store>,
}

/// Which items of one Worker are kept, and how.
struct Policy {
    logs: bool,
    traces: bool,
    invocation_logs: bool,
    keep_failures: bool,
    keep_slow: bool,
    privacy: Arc<Privacy>,
    /// The keys of its durable Tail Workers.
    tails: Vec<String>,
}

struct Store {
    ledger: Arc<Ledger>,
    tails: Tails,
    /// Missing if the folder cannot be used.
    open: Option<Open>,
}

struct Open {
    writer: Writer,
    outbox: Arc<Outbox>,
}

/// The durable Tail Workers, by their keys.
type Tails = Arc<RwLock<BTreeMap<String, Arc<Durable>>>>;

/// Counts items in the ledgers of those that they are kept for.
struct InLedgers {
    logs: Arc<Ledger>,
    tails: Tails,
}

impl Counts for InLedgers {
    fn accepted(&self, entries: &[Entry]) {
        self.logs.delivered(of_logs(entries));
        let tails = self.tails.read().unwrap_or_else(PoisonError::into_inner);
        tails.values().for_each(|tail| tail.more.notify_one());
    }

    fn lost(&self, entries: &[Entry], reason: &str) {
        self.logs.lost(of_logs(entries), reason);
        let tails = self.tails.read().unwrap_or_else(PoisonError::into_inner);
        for key in entries.iter().flat_map(|entry| &entry.tails) {
            if let Some(tail) = tails.get(key) {
                tail.ledger.lost(1, reason);
            }
        }
    }
}

fn of_logs(entries: &[Entry]) -> u64 {
    let entries = entries.iter().filter(|entry| entry.is_searched());
    entries.count() as u64
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

    /// Takes the settings of a Worker that is about to be deployed. Returns the Tail Workers that
    /// are to be called for its items by the runtime: all but the durable ones.
    pub(crate) fn set(
        &self,
        worker: &WorkerConfig,
        workers: &[WorkerConfig],
    ) -> Result<Vec<Target>> {
        let settings = &worker.logs;
        let is_durable = |tail: &&Target| self.is_durable(worker, tail, workers);
        let (mut durable, mut others): (Vec<_>, Vec<_>) =
            worker.tail_consumers.iter().partition(is_durable);
        let is_kept = settings.enabled || settings.traces || !durable.is_empty();
        let Some(folder) = self.folder.as_ref().filter(|_| is_kept) else {
            self.policies().remove(&worker.name);
            return Ok(worker.tail_consumers.clone());
        };
        let store = self
            .store
            .get_or_init(|| self.open(folder.clone(), settings.retention));
        if store.open.is_none() {
            others = worker.tail_consumers.iter().collect();
            durable.clear();
        }
        let policy = Policy {
            logs: settings.enabled,
            traces: settings.traces,
            invocation_logs: settings.invocation_logs,
            keep_failures: settings.keep_failures,
            keep_slow: settings.keep_slow,
            privacy: Arc::new(settings.privacy()?),
            tails: durable.iter().map(|tail| durable::key(tail)).collect(),
        };
        self.policies()
            .insert(worker.name.clone(), Arc::new(policy));
        for tail in durable {
            store.take_up(tail)?;
        }
        Ok(others.into_iter().cloned().collect())
    }

    /// Whether items of a Worker are kept until they are delivered to one of its Tail Workers.
    fn is_durable(&self, worker: &WorkerConfig, tail: &Target, workers: &[WorkerConfig]) -> bool {
        let name = tail.worker.deployed_name();
        let is_wanted = workers
            .iter()
            .any(|other| other.durable && Some(other.name.as_str()) == name);
        let dispatches = worker
            .bindings
            .values()
            .any(|binding| matches!(binding, Binding::Dispatch(_)));
        if is_wanted && (dispatches || self.folder.is_none()) {
            let reason = match dispatches {
                true => "calls user Workers, whose items go with its own",
                false => "keeps no data on disk",
            };
            self.progress.warn(&format!(
                "the Worker `{}` {reason}: its items for `{}` are delivered best effort",
                worker.name, tail.worker
            ));
            return false;
        }
        is_wanted
    }

    fn open(&self, folder: PathBuf, retention: Retention) -> Store {
        let ledger = Ledger::new(NAME);
        let tails = Tails::default();
        let counts = Box::new(InLedgers {
            logs: Arc::clone(&ledger),
            tails: Arc::clone(&tails),
        });
        let open = Writer::start(folder.clone(), retention, counts)
            .map_err(|error| error.to_string())
            .and_then(|writer| {
                let deliveries = Deliveries::open(folder).map_err(|error| error.to_string())?;
                let outbox = Arc::new(Outbox::new(deliveries));
                Ok(Open { writer, outbox })
            });
        let open = open.map_err(|error| {
            self.progress.warn(&format!(
                "logs are not kept, and durable tails are called best effort: {error}"
            ));
            ledger.close(&error);
        });
        Store {
            ledger,
            tails,
            open: open.ok(),
        }
    }

    /// Starts the deliveries to durable Tail Workers that have none yet. `batch` is the number of
    /// items of one call, for a Tail Worker.
    pub(crate) fn deliver_to_tails(
        self: &Arc<Self>,
        runtime: &Runtime,
        batch: impl Fn(&Target) -> usize,
        running: &mut HashMap<String, AbortOnDropHandle<()>>,
    ) {
        let Some(store) = self.store.get() else {
            return;
        };
        let tails = store.tails.read().unwrap_or_else(PoisonError::into_inner);
        for (key, tail) in &*tails {
            running.entry(key.clone()).or_insert_with(|| {
                let items = batch(&tail.target);
                let logs = Arc::clone(self);
                let delivered = move || logs.release();
                let delivers = Arc::clone(tail).run(runtime.clone(), items, delivered);
                AbortOnDropHandle::new(tokio::spawn(delivers))
            });
        }
    }

    /// Lets what is delivered be removed from the store when it is old.
    fn release(&self) {
        if let Some(open) = self.store.get().and_then(|store| store.open.as_ref()) {
            open.writer.keep_above(open.outbox.delivered());
        }
    }

    /// Waits until all items so far are kept, and delivered to durable Tail Workers unless a call
    /// fails.
    pub(crate) async fn drain(&self) {
        let Some(store) = self.store.get() else {
            return;
        };
        let Some(open) = &store.open else { return };
        open.writer.flush().await;
        for tail in store.all_tails() {
            tail.drain().await;
        }
    }

    /// Waits until all items are kept. Later ones are lost, and counted.
    pub(crate) async fn finish(&self) {
        if let Some(open) = self.store.get().and_then(|store| store.open.as_ref()) {
            open.writer.finish().await;
        }
    }

    /// Gives up items that are not kept yet, and leaves those for durable Tail Workers to a later
    /// process.
    pub(crate) fn close(&self) {
        if let Some(store) = self.store.get() {
            store.ledger.close("Taffrail stopped before it was written");
            let tails = store.all_tails();
            tails.iter().for_each(|tail| tail.ledger.postpone());
        }
    }

    fn policies(&self) -> RwLockWriteGuard<'_, HashMap<String, Arc<Policy>>> {
        let policies = self.policies.write();
        policies.unwrap_or_else(PoisonError::into_inner)
    }

    fn policy(&self, worker: &str) -> Option<Arc<Policy>> {
        let policies = self.policies.read().unwrap_or_else(PoisonError::into_inner);
        policies.get(worker).cloned()
    }
}

impl Store {
    fn all_tails(&self) -> Vec<Arc<Durable>> {
        let tails = self.tails.read().unwrap_or_else(PoisonError::into_inner);
        tails.values().cloned().collect()
    }

    /// Counts an item for durable Tail Workers, and returns the keys of those that receive it. A
    /// Tail Worker does not receive the items of its own tail events.
    fn produced(&self, keys: &[String], item: &TraceItem) -> Vec<String> {
        let is_tail_event = matches!(item.event, Some(EventInfo::Tail { .. }));
        let own = item.script.script_name.as_deref();
        let tails = self.tails.read().unwrap_or_else(PoisonError::into_inner);
        let receives = |key: &&String| {
            let Some(tail) = tails.get(*key) else {
                return false;
            };
            let is_own = tail.target.worker.deployed_name() == own;
            !(is_tail_event && is_own) && tail.ledger.produced(1)
        };
        keys.iter().filter(receives).cloned().collect()
    }

    /// Takes up the deliveries to a durable Tail Worker.
    fn take_up(&self, target: &Target) -> Result<()> {
        let Some(open) = &self.open else {
            return Ok(());
        };
        let key = durable::key(target);
        let mut tails = self.tails.write().unwrap_or_else(PoisonError::into_inner);
        if tails.contains_key(&key) {
            return Ok(());
        }
        let waiting = open.outbox.take_up(&key);
        let waiting =
            waiting.map_err(|error| Error::host("the logs cannot be read").caused_by(error))?;
        open.writer.keep_above(open.outbox.delivered());
        let ledger = Ledger::new(target.worker.to_string());
        ledger.produced(waiting);
        let durable = Durable {
            target: target.clone(),
            key: key.clone(),
            outbox: Arc::clone(&open.outbox),
            ledger,
            more: Notify::new(),
            rests: watch::Sender::new(0),
        };
        tails.insert(key, Arc::new(durable));
        Ok(())
    }
}

impl Policy {
    /// Returns how many invocations an item stands for in the logs, if it is kept there.
    fn sample_interval(&self, item: &TraceItem) -> Option<f64> {
        let rate = item.log_sampling_rate;
        match self.logs {
            true if self.always_keeps(item) => Some(1.0),
            true if is_sampled(&item.request_id, rate) => Some(1.0 / rate),
            _ => None,
        }
    }

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

    fn wants_spans(&self, worker: &WorkerId) -> bool {
        let policy = worker.deployed_name().and_then(|name| self.policy(name));
        policy.is_some_and(|policy| policy.traces)
    }

    fn deliver(&self, item: &Arc<TraceItem>) {
        let worker = item.script.script_name.as_deref();
        let Some((policy, store)) = worker
            .and_then(|worker| self.policy(worker))
            .zip(self.store.get())
        else {
            return;
        };
        let sample_interval = policy.sample_interval(item);
        let keeps_spans = policy.traces && item.trace_sampled;
        let is_kept = (sample_interval.is_some() || keeps_spans) && store.ledger.produced(1);
        let tails = store.produced(&policy.tails, item);
        if !is_kept && tails.is_empty() {
            return;
        }
        if let Some(open) = &store.open {
            open.writer.push(Entry {
                item: Arc::clone(item),
                sample_interval: sample_interval.filter(|_| is_kept),
                keeps_spans: keeps_spans && is_kept,
                shows_invocation: policy.invocation_logs,
                tails,
                privacy: Arc::clone(&policy.privacy),
            });
        }
    }

    fn ledgers(&self) -> Vec<Arc<Ledger>> {
        let Some(store) = self.store.get() else {
            return Vec::new();
        };
        let tails = store.all_tails().into_iter();
        let tails = tails.map(|tail| Arc::clone(&tail.ledger));
        std::iter::once(Arc::clone(&store.ledger))
            .chain(tails)
            .collect()
    }
}
