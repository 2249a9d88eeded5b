//! Exports everything.

use crate::client::Client;
use crate::counts::{Counts, RecordCounts, Records};
use crate::deliver::{Pace, Route};
use crate::encode::resource::Resources;
use crate::metrics::Group;
use crate::metrics::own;
use crate::metrics::reader::Reader;
use crate::pipeline::Pipeline;
use crate::queue::{Edit, QUEUE_BYTES, Queue};
use crate::settings::{Settings, SettingsError};
use crate::signal::Signal;
use crate::trouble::Trouble;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use taffrail_trace::TraceItem;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::task::AbortOnDropHandle;

/// Sends items and measures to collectors.
///
/// The pipelines of OpenTelemetry's SDK are not used. Its batch processors drop what has no room
/// without an exact count, and want to be the ones that time spans; an item is a finished fact
/// with its own ids and times. Here items wait in a queue for each signal that is bounded by
/// bytes, and each record ends in exactly one column of [`Records`].
pub struct Exporter {
    /// Traces and logs.
    pipelines: BTreeMap<Signal, Arc<Pipeline>>,
    metrics: Option<Arc<Reader>>,
    troubles: Vec<Arc<Trouble>>,
    ending: watch::Sender<bool>,
    /// The tasks of the pipelines.
    senders: Mutex<Vec<JoinHandle<()>>>,
    _reading: Option<AbortOnDropHandle<()>>,
}

impl Exporter {
    /// Starts to export. `measure` returns the metrics of the process and its Workers.
    ///
    /// # Errors
    ///
    /// Fails if a file of certificates cannot be used.
    ///
    /// # Panics
    ///
    /// Panics outside of a tokio runtime.
    pub fn start(
        settings: Settings,
        counts: Arc<dyn Counts>,
        measure: impl Fn() -> Vec<Group> + Send + Sync + 'static,
    ) -> Result<Self, SettingsError> {
        Self::start_at(Pace::default(), QUEUE_BYTES, settings, counts, measure)
    }

    pub(crate) fn start_at(
        pace: Pace,
        queue_bytes: usize,
        settings: Settings,
        counts: Arc<dyn Counts>,
        measure: impl Fn() -> Vec<Group> + Send + Sync + 'static,
    ) -> Result<Self, SettingsError> {
        let instance = format!("{:032x}", rand::random::<u128>());
        let resources = Arc::new(Resources::new(&settings, &instance));
        let (ending, is_ending) = watch::channel(false);
        let mut troubles: BTreeMap<String, Arc<Trouble>> = BTreeMap::new();
        let mut routes = Vec::new();
        for (signal, destination) in settings.destinations {
            let authority = destination.url.authority();
            let authority = authority.map(ToString::to_string).unwrap_or_default();
            let client = Client::new(signal, destination)?;
            let trouble = troubles.entry(authority).or_insert_with(|| {
                let say = Box::new(|line: &str| tracing::warn!("{line}"));
                Arc::new(Trouble::new(client.place(), say))
            });
            routes.push(Route {
                signal,
                trouble: Arc::clone(trouble),
                client,
                pace,
                ending: is_ending.clone(),
            });
        }
        let mut pipelines = BTreeMap::new();
        let mut metrics = None;
        for route in routes {
            if route.signal == Signal::Metrics {
                metrics = Some(route);
                continue;
            }
            let signal = route.signal;
            let pipeline = Arc::new(Pipeline {
                route,
                queue: Queue::new(queue_bytes),
                records: RecordCounts::default(),
                counts: Arc::clone(&counts),
                resources: Arc::clone(&resources),
            });
            pipelines.insert(signal, pipeline);
        }
        let senders = pipelines
            .values()
            .map(|pipeline| tokio::spawn(Arc::clone(pipeline).run()));
        let senders = senders.collect();
        let metrics = metrics.map(|route| {
            let measured: Vec<Arc<Pipeline>> = pipelines.values().cloned().collect();
            let measure = move || {
                let mut groups = measure();
                groups.push(own::group(&measured));
                groups
            };
            let measure = Box::new(measure);
            Arc::new(Reader::new(route, resources, settings.temporality, measure))
        });
        let reading = metrics.as_ref().map(|reader| {
            let reading = Arc::clone(reader).run(settings.metric_interval);
            AbortOnDropHandle::new(tokio::spawn(reading))
        });
        Ok(Self {
            pipelines,
            metrics,
            troubles: troubles.into_values().collect(),
            ending,
            senders: Mutex::new(senders),
            _reading: reading,
        })
    }

    /// Whether a signal is exported.
    #[must_use]
    pub fn exports(&self, signal: Signal) -> bool {
        match signal {
            Signal::Traces | Signal::Logs => self.pipelines.contains_key(&signal),
            Signal::Metrics => self.metrics.is_some(),
        }
    }

    /// Passes an item on to be sent as traces or as logs. Never blocks. An item without records of
    /// that signal is ignored. `edit` removes from it what is not to be sent.
    pub fn push(&self, signal: Signal, item: Arc<TraceItem>, edit: Option<Edit>) {
        if let Some(pipeline) = self.pipelines.get(&signal) {
            pipeline.push(item, edit);
        }
    }

    /// Returns the numbers of records of a signal so far.
    #[must_use]
    pub fn records(&self, signal: Signal) -> Records {
        match (self.pipelines.get(&signal), &self.metrics) {
            (Some(pipeline), _) => pipeline.records(),
            (None, Some(reader)) if signal == Signal::Metrics => reader.records(),
            _ => Records::default(),
        }
    }

    /// Waits until all items so far are sent or lost, and sends the metrics.
    pub async fn flush(&self) {
        for pipeline in self.pipelines.values() {
            pipeline.queue.flush().await;
        }
        if let Some(reader) = &self.metrics {
            reader.export().await;
        }
    }

    /// Sends what is left, within this time. Later items are lost, and so is what is not sent by
    /// then; all of it is counted. Nobody waits for a collector that cannot be reached.
    pub async fn finish(&self, within: Duration) {
        self.ending.send_replace(true);
        for pipeline in self.pipelines.values() {
            pipeline.queue.close();
        }
        let mut senders = {
            let senders = self.senders.lock();
            std::mem::take(&mut *senders.unwrap_or_else(PoisonError::into_inner))
        };
        // One that panics has counted what it had.
        _ = tokio::time::timeout(within, async {
            for sender in &mut senders {
                _ = sender.await;
            }
            if let Some(reader) = &self.metrics {
                reader.export().await;
            }
        })
        .await;
        for sender in senders {
            sender.abort();
            if !sender.is_finished() {
                _ = sender.await;
            }
        }
        for pipeline in self.pipelines.values() {
            pipeline.abandon();
        }
        for trouble in &self.troubles {
            trouble.finish();
        }
    }
}
