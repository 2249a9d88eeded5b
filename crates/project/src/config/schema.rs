//! The types of the values that Taffrail reads, as they appear in the file.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Error, MapAccess, SeqAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use taffrail_runtime::{HostPattern, TailBatch, Target};

use super::limits::{
    ConfiguredLimits, MAX_BATCH, MAX_BATCH_MS, MAX_CPU_MS, MAX_INSTANCES, MAX_LOG_DAYS, MAX_LOG_MB,
    MAX_MEMORY_MB, MAX_REUSE, MAX_SUBREQUESTS, MAX_WALL_MS,
};

/// A Worker's table: the top level, merged with an environment.
#[derive(Deserialize)]
pub(super) struct WorkerTable {
    pub(super) name: Option<String>,
    pub(super) main: Option<PathBuf>,
    #[serde(default)]
    pub(super) build: BuildTable,
    #[serde(default)]
    pub(super) vars: BTreeMap<String, Value>,
    #[serde(default)]
    pub(super) tail_consumers: Vec<TailConsumer>,
    #[serde(default)]
    pub(super) streaming_tail_consumers: Vec<TailConsumer>,
    #[serde(default)]
    pub(super) services: Vec<Service>,
    #[serde(default)]
    pub(super) worker_loaders: Vec<WorkerLoader>,
    #[serde(default)]
    pub(super) durable_objects: DurableObjects,
    #[serde(default)]
    pub(super) dispatch_namespaces: Vec<Dispatch>,
    #[serde(default)]
    pub(super) kv_namespaces: Vec<KvNamespace>,
    #[serde(default)]
    pub(super) analytics_engine_datasets: Vec<Dataset>,
    pub(super) analytics: Option<AnalyticsSql>,
    pub(super) secrets: Option<SecretsTable>,
    #[serde(default)]
    pub(super) rules: Vec<RuleTable>,
    #[serde(default)]
    pub(super) define: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) alias: BTreeMap<String, String>,
    pub(super) jsx_factory: Option<String>,
    pub(super) jsx_fragment: Option<String>,
    pub(super) tsconfig: Option<String>,
    #[serde(default)]
    pub(super) limits: LimitsTable,
    #[serde(default)]
    pub(super) triggers: TriggersTable,
    #[serde(default)]
    pub(super) observability: ObservabilityTable,
    #[serde(default)]
    pub(super) taffrail: TaffrailTable,
}

/// The required secrets.
#[derive(Deserialize)]
#[serde(expecting = "a table with the key `required`")]
pub(super) struct SecretsTable {
    #[serde(default)]
    pub(super) required: Vec<String>,
}

/// The module type of files whose names match.
#[derive(Deserialize)]
#[serde(expecting = "a table with the keys `type` and `globs`")]
pub(super) struct RuleTable {
    #[serde(rename = "type")]
    pub(super) kind: RuleType,
    pub(super) globs: Vec<String>,
    pub(super) fallthrough: Option<bool>,
}

/// Wrangler's module types.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
pub(super) enum RuleType {
    ESModule,
    CommonJS,
    CompiledWasm,
    Text,
    Data,
    PythonModule,
    PythonRequirement,
}

/// How the component is built.
#[derive(Default, Deserialize)]
#[serde(expecting = "a table")]
pub(super) struct BuildTable {
    pub(super) command: Option<String>,
    pub(super) cwd: Option<PathBuf>,
    pub(super) watch_dir: Option<Paths>,
}

/// A Tail Worker of this Worker.
#[derive(Deserialize)]
#[serde(expecting = "a table with the key `service`")]
pub(super) struct TailConsumer {
    pub(super) service: String,
    pub(super) entrypoint: Option<String>,
    #[serde(default)]
    pub(super) props: Map<String, Value>,
}

impl From<TailConsumer> for Target {
    fn from(consumer: TailConsumer) -> Self {
        Self {
            entrypoint: consumer.entrypoint,
            props: consumer.props.into(),
            ..Self::from(consumer.service)
        }
    }
}

/// A Worker that this Worker may call.
#[derive(Deserialize)]
#[serde(expecting = "a table with the keys `binding` and `service`")]
pub(super) struct Service {
    pub(super) binding: String,
    pub(super) service: String,
    pub(super) entrypoint: Option<String>,
    #[serde(default)]
    pub(super) props: Map<String, Value>,
}

/// A loader of dynamic Workers.
#[derive(Deserialize)]
#[serde(expecting = "a table with the key `binding`")]
pub(super) struct WorkerLoader {
    pub(super) binding: String,
}

/// The bindings of Durable Objects.
#[derive(Default, Deserialize)]
#[serde(expecting = "a table with the key `bindings`")]
pub(super) struct DurableObjects {
    #[serde(default)]
    pub(super) bindings: Vec<DurableObject>,
}

/// A class of Durable Objects, of this Worker or of another one.
#[derive(Deserialize)]
#[serde(expecting = "a table with the keys `name` and `class_name`")]
pub(super) struct DurableObject {
    pub(super) name: String,
    pub(super) class_name: String,
    pub(super) script_name: Option<String>,
}

/// A dispatch namespace.
#[derive(Deserialize)]
#[serde(expecting = "a table with the keys `binding` and `namespace`")]
pub(super) struct Dispatch {
    pub(super) binding: String,
    pub(super) namespace: String,
    pub(super) outbound: Option<Outbound>,
}

/// The outbound Worker of a dispatch namespace.
#[derive(Deserialize)]
#[serde(expecting = "a table with the key `service`")]
pub(super) struct Outbound {
    pub(super) service: String,
}

/// A KV namespace. The default id is the name of the binding.
#[derive(Deserialize)]
#[serde(expecting = "a table with the key `binding`")]
pub(super) struct KvNamespace {
    pub(super) binding: String,
    pub(super) id: Option<String>,
    pub(super) preview_id: Option<String>,
}

/// An Analytics Engine dataset. The default name is the name of the binding.
#[derive(Deserialize)]
#[serde(expecting = "a table with the key `binding`")]
pub(super) struct Dataset {
    pub(super) binding: String,
    pub(super) dataset: Option<String>,
}

/// The binding for queries in SQL.
#[derive(Deserialize)]
#[serde(expecting = "a table with the key `binding`")]
pub(super) struct AnalyticsSql {
    pub(super) binding: String,
}

/// The limits of one invocation.
#[derive(Default, Deserialize)]
#[serde(expecting = "a table")]
pub(super) struct LimitsTable {
    pub(super) cpu_ms: Option<UpTo<MAX_CPU_MS>>,
    pub(super) subrequests: Option<UpTo<MAX_SUBREQUESTS>>,
}

/// The cron triggers of a Worker.
#[derive(Default, Deserialize)]
#[serde(expecting = "a table")]
pub(super) struct TriggersTable {
    #[serde(default)]
    pub(super) crons: Vec<String>,
}

/// Taffrail's own settings.
#[derive(Default, Deserialize)]
#[serde(expecting = "a table")]
pub(super) struct TaffrailTable {
    pub(super) memory_mb: Option<UpTo<MAX_MEMORY_MB>>,
    pub(super) wall_ms: Option<UpTo<MAX_WALL_MS>>,
    pub(super) wait_until_ms: Option<UpTo<MAX_WALL_MS>>,
    pub(super) instances: Option<UpTo<MAX_INSTANCES>>,
    #[serde(default)]
    pub(super) tail_batch: TailBatchTable,
    pub(super) instance_reuse: Option<UpTo<MAX_REUSE>>,
    pub(super) continue_traces: Option<bool>,
    #[serde(default)]
    pub(super) onset: bool,
    pub(super) allowed_outbound_hosts: Option<Vec<HostPattern>>,
    pub(super) global_outbound: Option<GlobalOutbound>,
    #[serde(default)]
    pub(super) dispatch_namespaces: BTreeMap<String, NamespaceTable>,
    #[serde(default)]
    pub(super) delivery: DeliveryName,
    #[serde(default)]
    pub(super) keep: Vec<Keep>,
    #[serde(default)]
    pub(super) logs: RetentionTable,
    pub(super) otlp: Option<OtlpTable>,
    #[serde(default)]
    pub(super) redact: Vec<String>,
}

/// Whether logs are kept, and which.
#[derive(Default, Deserialize)]
#[serde(expecting = "a table")]
pub(super) struct ObservabilityTable {
    pub(super) enabled: Option<bool>,
    pub(super) head_sampling_rate: Option<Rate>,
    #[serde(default)]
    pub(super) logs: LogsTable,
    #[serde(default)]
    pub(super) traces: TracesTable,
    #[serde(default)]
    pub(super) redact_query_string: bool,
}

/// Settings of logs, in place of those for logs and traces.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct LogsTable {
    pub(super) enabled: Option<bool>,
    pub(super) head_sampling_rate: Option<Rate>,
    pub(super) invocation_logs: Option<bool>,
    pub(super) persist: Option<bool>,
    /// Where Cloudflare exports logs to.
    #[serde(default, rename = "destinations")]
    _destinations: Vec<String>,
}

/// Settings of traces, in place of those for logs and traces.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct TracesTable {
    pub(super) enabled: Option<bool>,
    pub(super) head_sampling_rate: Option<Rate>,
    pub(super) persist: Option<bool>,
    /// Where Cloudflare exports traces to.
    #[serde(default, rename = "destinations")]
    _destinations: Vec<String>,
}

/// Where telemetry goes.
#[derive(Default, Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "a table with `endpoint`, `headers`, `protocol` or `signals`"
)]
pub(super) struct OtlpTable {
    pub(super) endpoint: Option<String>,
    #[serde(default)]
    pub(super) headers: BTreeMap<String, String>,
    pub(super) protocol: Option<String>,
    pub(super) signals: Option<Vec<String>>,
}

/// How items reach a Tail Worker.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(super) enum DeliveryName {
    #[default]
    BestEffort,
    Durable,
}

/// Invocations that are kept whatever the sampling rate.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum Keep {
    Failures,
    Slow,
}

/// How long logs are kept.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table with `days` or `mb`")]
pub(super) struct RetentionTable {
    pub(super) days: Option<UpTo<MAX_LOG_DAYS>>,
    pub(super) mb: Option<UpTo<MAX_LOG_MB>>,
}

/// A share from 0 to 1.
#[derive(Clone, Copy)]
pub(super) struct Rate(pub(super) f64);

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let rate = f64::deserialize(deserializer)?;
        if (0.0..=1.0).contains(&rate) {
            Ok(Self(rate))
        } else {
            let expected = &"a number from 0 to 1";
            Err(D::Error::invalid_value(Unexpected::Float(rate), expected))
        }
    }
}

/// How many items one tail event has.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table with `items` or `ms`")]
pub(super) struct TailBatchTable {
    items: Option<UpTo<MAX_BATCH>>,
    ms: Option<UpTo<MAX_BATCH_MS>>,
}

impl From<&TailBatchTable> for TailBatch {
    fn from(table: &TailBatchTable) -> Self {
        let default = Self::default();
        let items = table.items.as_ref().map(|most| usize::try_from(most.0));
        let wait = table.ms.as_ref().map(|most| Duration::from_millis(most.0));
        Self {
            items: items.and_then(Result::ok).unwrap_or(default.items),
            wait: wait.unwrap_or(default.wait),
        }
    }
}

/// The Worker that receives requests which are not made through a binding: its name, or a table.
#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "the name of a Worker, or a table with the key `service`"
)]
pub(super) enum GlobalOutbound {
    Name(String),
    Table(TailConsumer),
}

/// A dispatch namespace: the paths of its Workers, or a table that also has the grant.
#[derive(Default, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub(super) struct NamespaceTable {
    pub(super) workers: Paths,
    #[serde(default)]
    pub(super) services: Vec<TailConsumer>,
    #[serde(default)]
    pub(super) tail_consumers: Vec<TailConsumer>,
    #[serde(default)]
    pub(super) streaming_tail_consumers: Vec<TailConsumer>,
    #[serde(default)]
    pub(super) kv_namespaces: BTreeSet<String>,
    #[serde(default)]
    pub(super) analytics_engine_datasets: BTreeSet<String>,
    #[serde(default)]
    pub(super) worker_loaders: bool,
    pub(super) allowed_outbound_hosts: Option<Vec<HostPattern>>,
    #[serde(default)]
    pub(super) limits: CeilingsTable,
}

impl<'de> Deserialize<'de> for NamespaceTable {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PlacesOrTable;

        impl<'de> Visitor<'de> for PlacesOrTable {
            type Value = NamespaceTable;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a path, a list of paths, or a table with the key `workers`")
            }

            fn visit_str<E: Error>(self, path: &str) -> Result<NamespaceTable, E> {
                Ok(NamespaceTable {
                    workers: Paths(vec![path.into()]),
                    ..NamespaceTable::default()
                })
            }

            fn visit_seq<A: SeqAccess<'de>>(self, paths: A) -> Result<NamespaceTable, A::Error> {
                let paths = Deserialize::deserialize(SeqAccessDeserializer::new(paths))?;
                Ok(NamespaceTable {
                    workers: Paths(paths),
                    ..NamespaceTable::default()
                })
            }

            fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<NamespaceTable, A::Error> {
                NamespaceTable::deserialize(MapAccessDeserializer::new(table))
            }
        }

        deserializer.deserialize_any(PlacesOrTable)
    }
}

/// The ceilings of the limits that user Workers may set.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct CeilingsTable {
    pub(super) cpu_ms: Option<UpTo<MAX_CPU_MS>>,
    pub(super) subrequests: Option<UpTo<MAX_SUBREQUESTS>>,
    pub(super) memory_mb: Option<UpTo<MAX_MEMORY_MB>>,
    pub(super) wall_ms: Option<UpTo<MAX_WALL_MS>>,
    pub(super) wait_until_ms: Option<UpTo<MAX_WALL_MS>>,
    pub(super) instances: Option<UpTo<MAX_INSTANCES>>,
}

impl From<CeilingsTable> for ConfiguredLimits {
    fn from(table: CeilingsTable) -> Self {
        Self {
            cpu_ms: table.cpu_ms.map(|limit| limit.0),
            subrequests: table.subrequests.map(|limit| limit.0),
            memory_mb: table.memory_mb.map(|limit| limit.0),
            wall_ms: table.wall_ms.map(|limit| limit.0),
            wait_until_ms: table.wait_until_ms.map(|limit| limit.0),
            instances: table.instances.map(|limit| limit.0),
        }
    }
}

/// A whole number from 1 to `MAX`.
pub(super) struct UpTo<const MAX: u64>(pub(super) u64);

impl<'de, const MAX: u64> Deserialize<'de> for UpTo<MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bounds<const MAX: u64>;

        impl<const MAX: u64> Visitor<'_> for Bounds<MAX> {
            type Value = UpTo<MAX>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a whole number from 1 to {MAX}")
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
                if (1..=MAX).contains(&number) {
                    Ok(UpTo(number))
                } else {
                    Err(E::invalid_value(Unexpected::Unsigned(number), &self))
                }
            }
        }

        deserializer.deserialize_u64(Bounds)
    }
}

/// One path, or a list of them.
#[derive(Default)]
pub(super) struct Paths(pub(super) Vec<PathBuf>);

impl<'de> Deserialize<'de> for Paths {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrMany;

        impl<'de> Visitor<'de> for OneOrMany {
            type Value = Paths;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a path or a list of paths")
            }

            fn visit_str<E: Error>(self, path: &str) -> Result<Paths, E> {
                Ok(Paths(vec![path.into()]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, paths: A) -> Result<Paths, A::Error> {
                Deserialize::deserialize(SeqAccessDeserializer::new(paths)).map(Paths)
            }
        }

        deserializer.deserialize_any(OneOrMany)
    }
}
