//! The items of one signal on their way to the collector.

use crate::answer::Reason;
use crate::counts::{Counts, RecordCounts, Records};
use crate::deliver::Route;
use crate::encode::resource::Resources;
use crate::encode::{self, logs, traces};
use crate::queue::{Edit, NotAccepted, Queue, Taken, Waiting};
use crate::signal::Signal;
use bytes::Bytes;
use std::borrow::Cow;
use std::sync::Arc;
use taffrail_trace::TraceItem;

const FULL: &str = "the queue is full";
const CLOSED: &str = "Taffrail is stopping";
const UNSENT: &str = "Taffrail stopped before it was sent";

/// Sends the items of traces or logs.
pub(crate) struct Pipeline {
    pub(crate) route: Route,
    pub(crate) queue: Queue,
    pub(crate) records: RecordCounts,
    pub(crate) counts: Arc<dyn Counts>,
    pub(crate) resources: Arc<Resources>,
}

impl Pipeline {
    /// Passes an item on to be sent. One without records is nothing to send.
    pub(crate) fn push(&self, item: Arc<TraceItem>, edit: Option<Edit>) {
        let signal = self.route.signal;
        let records = count(signal, &item);
        if records == 0 {
            return;
        }
        self.counts.produced(signal);
        self.records.produced(records);
        match self.queue.push(Waiting { item, edit }) {
            Ok(()) => {}
            Err(NotAccepted::Full) => self.lose(1, records, FULL),
            Err(NotAccepted::Closed) => self.lose(1, records, CLOSED),
        }
    }

    /// Sends what is queued until the queue is closed.
    pub(crate) async fn run(self: Arc<Self>) {
        while let Some(taken) = self.queue.take(self.route.pace.delay).await {
            let batch = Batch::new(Arc::clone(&self), taken);
            match self.send(&batch).await {
                Ok(rejected) => batch.sent(rejected),
                Err(reason) => batch.lost(&reason.text()),
            }
        }
    }

    async fn send(&self, batch: &Batch) -> Result<u64, Reason> {
        let (signal, resources) = (self.route.signal, Arc::clone(&self.resources));
        let (items, encoding) = (batch.taken.items.clone(), self.route.client.encoding());
        // It may take milliseconds, for which no Worker should wait.
        let encoding =
            tokio::task::spawn_blocking(move || message(signal, &items, &resources, encoding));
        let message = encoding
            .await
            .map_err(|error| error.to_string())
            .and_then(|message| message);
        match message {
            Ok(message) => {
                let items = batch.taken.items.len() as u64;
                let again = || self.counts.retried(signal, items);
                self.route.deliver(message, again).await
            }
            Err(error) => {
                let reason = Reason::Encoding;
                self.route.trouble.begin(signal, &reason.text(), &error);
                Err(reason)
            }
        }
    }

    /// Gives up what is queued.
    pub(crate) fn abandon(self: &Arc<Self>) {
        self.queue.close();
        drop(Batch::new(Arc::clone(self), self.queue.take_all()));
    }

    /// Returns the numbers of records so far.
    pub(crate) fn records(&self) -> Records {
        self.records.get()
    }

    fn lose(&self, items: u64, records: u64, reason: &str) {
        let signal = self.route.signal;
        self.records.lost(records, reason);
        self.counts.lost(signal, items, reason);
        self.route.trouble.lost(signal, records);
    }
}

/// Returns how many records of a signal an item is.
fn count(signal: Signal, item: &TraceItem) -> u64 {
    match signal {
        Signal::Traces => traces::count(item),
        Signal::Logs => logs::count(item),
        Signal::Metrics => 0,
    }
}

fn message(
    signal: Signal,
    waiting: &[Waiting],
    resources: &Resources,
    (protocol, gzip): (crate::settings::Protocol, bool),
) -> Result<Bytes, String> {
    let items = waiting.iter().map(|waiting| match &waiting.edit {
        Some(edit) => Cow::Owned(edit(&waiting.item)),
        None => Cow::Borrowed(&*waiting.item),
    });
    let items: Vec<Cow<'_, TraceItem>> = items.collect();
    match signal {
        Signal::Traces => encode::encode(&traces::request(&items, resources), protocol, gzip),
        Signal::Logs => encode::encode(&logs::request(&items, resources), protocol, gzip),
        Signal::Metrics => Ok(Bytes::new()),
    }
}

/// Items that are being sent. If it is dropped before they are, they are counted as lost.
struct Batch {
    pipeline: Arc<Pipeline>,
    taken: Taken,
    is_counted: bool,
}

impl Batch {
    fn new(pipeline: Arc<Pipeline>, taken: Taken) -> Self {
        Self {
            pipeline,
            taken,
            is_counted: false,
        }
    }

    fn sent(mut self, rejected: u64) {
        self.is_counted = true;
        let signal = self.pipeline.route.signal;
        self.pipeline.records.sent(self.records(), rejected);
        let items = self.taken.items.len() as u64;
        self.pipeline.counts.sent(signal, items);
    }

    fn lost(mut self, reason: &str) {
        self.lose(reason);
    }

    fn lose(&mut self, reason: &str) {
        self.is_counted = true;
        let items = self.taken.items.len() as u64;
        if items > 0 {
            self.pipeline.lose(items, self.records(), reason);
        }
    }

    fn records(&self) -> u64 {
        let signal = self.pipeline.route.signal;
        let items = self.taken.items.iter();
        items.map(|waiting| count(signal, &waiting.item)).sum()
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        if !self.is_counted {
            self.lose(UNSENT);
        }
        self.pipeline.queue.done(&self.taken);
    }
}
