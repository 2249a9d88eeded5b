//! Exports the items of Workers to an OpenTelemetry collector.

use crate::config::WorkerConfig;
use crate::error::{Error, Result};
use std::collections::HashMap;
use std::sync::{Arc, OnceLock, PoisonError, RwLock, Weak};
use std::time::Duration;
use taffrail_logs::{Privacy, is_sampled};
use taffrail_otlp::{
    Counts, Edit, Exporter, Group, Measures, Metric, Number, Of, Points, Settings, Signal,
};
use taffrail_runtime::{Delivery, Instances, Ledger, Runtime, TailConsumer, WorkerId};
use taffrail_trace::TraceItem;

/// Longer than anybody waits for the last messages: the caller ends it.
const UNTIL_THE_CALLER_LEAVES: Duration = Duration::from_secs(24 * 60 * 60);

/// The native consumer that exports items.
pub(crate) struct Otlp {
    settings: Settings,
    /// The project owns it: it reads the counts of the runtime, which owns this.
    exporter: OnceLock<Weak<Exporter>>,
    ledgers: Arc<Ledgers>,
    policies: RwLock<Policies>,
}

/// What is exported of Workers.
#[derive(Default)]
struct Policies {
    /// Of deployed Workers, by their names, with what each wants removed.
    deployed: HashMap<String, (Policy, Privacy)>,
    /// Of user Workers and dynamic Workers, which have no configuration of their own.
    others: Policy,
}

/// Which items of one Worker are exported.
#[derive(Clone)]
struct Policy {
    traces: bool,
    logs: bool,
    edit: Option<Edit>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            traces: true,
            logs: true,
            edit: None,
        }
    }
}

impl Policies {
    fn set(&mut self, worker: &WorkerConfig, privacy: Privacy) {
        let policy = Policy {
            traces: worker.telemetry.traces,
            logs: worker.telemetry.logs,
            edit: edit(privacy.clone()),
        };
        self.deployed.insert(worker.name.clone(), (policy, privacy));
        // A deployed Worker that calls others can have handed them what it wants removed.
        let mut all = Privacy::default();
        for (_, privacy) in self.deployed.values() {
            all.extend(privacy);
        }
        self.others.edit = edit(all);
    }

    fn get(&self, worker: Option<&str>) -> &Policy {
        let deployed = worker.and_then(|worker| self.deployed.get(worker));
        deployed.map_or(&self.others, |(policy, _)| policy)
    }
}

/// Counts the items of each signal.
struct Ledgers {
    traces: Arc<Ledger>,
    logs: Arc<Ledger>,
}

impl Ledgers {
    fn of(&self, signal: Signal) -> Option<&Arc<Ledger>> {
        match signal {
            Signal::Traces => Some(&self.traces),
            Signal::Logs => Some(&self.logs),
            // Metrics have no items.
            Signal::Metrics => None,
        }
    }
}

/// The exporter has its own lines about losses.
impl Counts for Ledgers {
    fn produced(&self, signal: Signal) {
        self.of(signal).inspect(|ledger| {
            ledger.produced(1);
        });
    }

    fn sent(&self, signal: Signal, items: u64) {
        self.of(signal).inspect(|ledger| ledger.delivered(items));
    }

    fn retried(&self, signal: Signal, items: u64) {
        self.of(signal).inspect(|ledger| ledger.retried(items));
    }

    fn lost(&self, signal: Signal, items: u64, reason: &str) {
        self.of(signal)
            .inspect(|ledger| ledger.lost_unlogged(items, reason));
    }
}

impl Otlp {
    /// Returns a consumer if telemetry is to be exported: if one of the Workers has
    /// `taffrail.otlp`, or if the environment has an endpoint. `variable` reads the environment.
    pub(crate) fn new(
        workers: &[WorkerConfig],
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Option<Arc<Self>>> {
        let config = workers
            .iter()
            .find_map(|worker| worker.telemetry.otlp.as_ref());
        let settings = Settings::new(config, variable).map_err(failed)?;
        Ok(settings.map(|settings| {
            Arc::new(Self {
                settings,
                exporter: OnceLock::new(),
                ledgers: Arc::new(Ledgers {
                    traces: Ledger::new("otlp-traces"),
                    logs: Ledger::new("otlp-logs"),
                }),
                policies: RwLock::default(),
            })
        }))
    }

    /// Starts to export the items of a runtime.
    pub(crate) fn start(
        &self,
        runtime: &Runtime,
        measures: Option<Arc<Measures>>,
    ) -> Result<Arc<Exporter>> {
        let runtime = runtime.clone();
        let measure = move || {
            let mut groups = measures
                .as_ref()
                .map(|all| all.groups())
                .unwrap_or_default();
            let mut of_process = of_deliveries(&runtime.deliveries());
            of_process.metrics.push(of_instances(runtime.instances()));
            groups.push(of_process);
            groups
        };
        let (settings, ledgers) = (self.settings.clone(), Arc::clone(&self.ledgers));
        let exporter = Exporter::start(settings, ledgers, measure).map_err(failed)?;
        let exporter = Arc::new(exporter);
        _ = self.exporter.set(Arc::downgrade(&exporter));
        Ok(exporter)
    }

    /// Takes the settings of a Worker that is about to be deployed.
    pub(crate) fn set(&self, worker: &WorkerConfig) -> Result<()> {
        let privacy = worker.logs.privacy()?;
        let policies = self.policies.write();
        let mut policies = policies.unwrap_or_else(PoisonError::into_inner);
        policies.set(worker, privacy);
        Ok(())
    }

    /// Counts what has not been sent as lost.
    pub(crate) fn close(&self) {
        for ledger in self.ledgers() {
            ledger.close("Taffrail stopped before it was sent");
        }
    }

    fn exports(&self, signal: Signal) -> bool {
        self.settings.destinations.contains_key(&signal)
    }

    fn policy(&self, worker: Option<&str>) -> Policy {
        let policies = self.policies.read().unwrap_or_else(PoisonError::into_inner);
        policies.get(worker).clone()
    }
}

/// Sends what is left, until the caller waits no more.
pub(crate) async fn finish(exporter: &Exporter) {
    exporter.finish(UNTIL_THE_CALLER_LEAVES).await;
}

fn failed(error: taffrail_otlp::SettingsError) -> Error {
    Error::configuration(error.to_string())
}

/// Returns what removes from items what a Worker's configuration wants removed.
fn edit(privacy: Privacy) -> Option<Edit> {
    privacy
        .removes_any()
        .then(|| Arc::new(move |item: &TraceItem| privacy.apply(item).into_owned()) as Edit)
}

impl TailConsumer for Otlp {
    fn receives(&self, worker: &WorkerId) -> bool {
        let policy = self.policy(worker.deployed_name());
        self.exports(Signal::Traces) && policy.traces || self.exports(Signal::Logs) && policy.logs
    }

    fn wants_spans(&self, worker: &WorkerId) -> bool {
        self.exports(Signal::Traces) && self.policy(worker.deployed_name()).traces
    }

    fn deliver(&self, item: &Arc<TraceItem>) {
        let Some(exporter) = self.exporter.get().and_then(Weak::upgrade) else {
            return;
        };
        let script = &item.script;
        // The name of a user Worker is one of its namespace.
        let name = script.script_name.as_deref();
        let policy = self.policy(name.filter(|_| script.dispatch_namespace.is_none()));
        if policy.traces && item.trace_sampled {
            exporter.push(Signal::Traces, Arc::clone(item), policy.edit.clone());
        }
        if policy.logs && is_sampled(&item.request_id, item.log_sampling_rate) {
            exporter.push(Signal::Logs, Arc::clone(item), policy.edit);
        }
    }

    fn ledgers(&self) -> Vec<Arc<Ledger>> {
        let signals = [Signal::Traces, Signal::Logs].into_iter();
        signals
            .filter(|signal| self.exports(*signal))
            .filter_map(|signal| self.ledgers.of(signal).cloned())
            .collect()
    }
}

/// The measures of a tail consumer: name, description and values.
type Column = (&'static str, &'static str, fn(&Delivery) -> u64);

const COLUMNS: [Column; 3] = [
    (
        "taffrail.tail.produced",
        "Items that a tail consumer should receive.",
        |delivery| delivery.produced,
    ),
    (
        "taffrail.tail.delivered",
        "Items that a tail consumer has received.",
        |delivery| delivery.delivered,
    ),
    (
        "taffrail.tail.retried",
        "Items that were to be delivered again, by each attempt that failed.",
        |delivery| delivery.retried,
    ),
];

/// The attribute that names a tail consumer.
const CONSUMER: &str = "taffrail.tail.consumer";

fn of_instances(instances: Instances) -> Metric {
    let number = |state: &str, value| Number {
        labels: vec![("taffrail.instance.state", state.to_owned())],
        value: value as u64,
    };
    Metric {
        name: "taffrail.instances",
        description: "Instances of Workers.",
        unit: "{instance}",
        points: Points::UpDownCounter(vec![
            number("running", instances.running),
            number("idle", instances.idle),
        ]),
    }
}

fn of_deliveries(deliveries: &[Delivery]) -> Group {
    let metric = |name, description, points| Metric {
        name,
        description,
        unit: "{item}",
        points,
    };
    let number = |delivery: &Delivery, value| Number {
        labels: vec![(CONSUMER, delivery.consumer.clone())],
        value,
    };
    let mut metrics: Vec<_> = COLUMNS
        .iter()
        .map(|(name, description, value)| {
            let numbers = deliveries.iter().map(|row| number(row, value(row)));
            metric(*name, *description, Points::Counter(numbers.collect()))
        })
        .collect();
    let lost = deliveries.iter().flat_map(|row| {
        row.reasons.iter().map(|(reason, items)| {
            let mut lost = number(row, *items);
            lost.labels.push(("error.type", reason.clone()));
            lost
        })
    });
    metrics.push(metric(
        "taffrail.tail.lost",
        "Items that a tail consumer will not receive, by reason.",
        Points::Counter(lost.collect()),
    ));
    let waiting = deliveries.iter().map(|row| number(row, row.waiting));
    metrics.push(metric(
        "taffrail.tail.queue.depth",
        "Items that wait for a tail consumer.",
        Points::UpDownCounter(waiting.collect()),
    ));
    Group {
        of: Of::Process,
        metrics,
    }
}
