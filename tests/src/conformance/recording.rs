//! A recording as it stands in its file.

use super::answer::{self, Answer};
use super::capnp;
use super::observed::{Observed, StreamEvent, TailCall};
use super::surrogates;
use anyhow::{Context, Result};
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

/// One scenario, as workerd ran it.
#[derive(Debug, Deserialize)]
pub struct Recording {
    /// Its name.
    #[serde(rename = "scenario")]
    pub name: String,
    /// The source of each Worker but the recording tails, by service.
    #[serde(rename = "producer_source", default)]
    pub(super) sources: BTreeMap<String, String>,
    #[serde(rename = "config")]
    pub(super) services: Vec<Service>,
    #[serde(default)]
    pub(super) request: Value,
    #[serde(default)]
    response_seen_by_client: Value,
    #[serde(default)]
    tail_calls: Vec<Value>,
    #[serde(default)]
    pub(super) tail_meta: Vec<TailMeta>,
    #[serde(default)]
    pub(super) stream_events: Vec<StreamEvent>,
    #[serde(default)]
    marks: Vec<Map<String, Value>>,
}

/// What a tail call was besides its items.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct TailMeta {
    #[serde(rename = "tail_worker")]
    worker: String,
    argc: Value,
    is_array: Value,
    ctx_props: Value,
    /// When it arrived, in milliseconds since the epoch.
    #[serde(rename = "received_at")]
    pub(super) received_at: Option<u64>,
    /// What else the tail handler reported of itself.
    #[serde(flatten)]
    more: Map<String, Value>,
}

/// What a report has of clocks and counters.
const OF_THE_REPORT: [&str; 2] = ["at_ms", "call_index_in_that_isolate"];

/// One Worker of a scenario.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Service {
    pub(super) name: String,
    /// `tail` or `stream` for a Worker of the recording itself.
    pub(super) kind: Option<String>,
    #[serde(default)]
    pub(super) tails: Vec<Target>,
    #[serde(default)]
    pub(super) streaming_tails: Vec<Target>,
    #[serde(default)]
    bindings: Vec<String>,
    #[serde(default)]
    pub(super) flags: Vec<String>,
    #[serde(default)]
    opts: String,
    #[serde(default, rename = "serviceWorkerScript")]
    _service_worker: bool,
    /// What no recording had when this was written.
    #[serde(flatten)]
    pub(super) other: Map<String, Value>,
}

/// A Worker that is called, and how.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(untagged)]
pub(super) enum Target {
    Name(String),
    Entrypoint {
        name: String,
        entrypoint: Option<String>,
        #[serde(default, deserialize_with = "props")]
        props: Map<String, Value>,
    },
}

/// Props, which workerd's configuration has as `(json = "...")`.
fn props<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Map<String, Value>, D::Error> {
    let props = Map::deserialize(deserializer)?;
    match props.get("json") {
        Some(Value::String(json)) if props.len() == 1 => {
            serde_json::from_str(json).map_err(D::Error::custom)
        }
        _ => Ok(props),
    }
}

impl Target {
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Name(name) | Self::Entrypoint { name, .. } => name,
        }
    }
}

impl Service {
    /// The bindings, each a table with `name` and a key that is its kind.
    pub(super) fn bindings(&self) -> Result<Vec<Map<String, Value>>> {
        let tables = self.bindings.iter().map(|text| capnp::table(text));
        tables
            .collect::<Result<_>>()
            .with_context(|| format!("a binding of `{}`", self.name))
    }

    /// The bindings to other Workers, as name and target.
    pub(super) fn callees(&self) -> Result<Vec<(String, Target)>> {
        let bindings = self.bindings()?;
        let services = bindings.into_iter().filter_map(|mut binding| {
            let name = binding.get("name")?.as_str()?.to_owned();
            Some((name, binding.remove("service")?))
        });
        services
            .map(|(name, target)| Ok((name, serde_json::from_value(target)?)))
            .collect()
    }

    /// The other options of the Worker in workerd's configuration.
    pub(super) fn options(&self) -> Result<Map<String, Value>> {
        capnp::table(&format!("({})", self.opts))
            .with_context(|| format!("the options of `{}`", self.name))
    }
}

impl Recording {
    /// Reads a recording.
    ///
    /// # Errors
    ///
    /// When the file is none.
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path);
        let parsed = text
            .map_err(anyhow::Error::from)
            .and_then(|text| Ok(serde_json::from_str(&surrogates::replace(&text))?));
        parsed.with_context(|| format!("{} is not a recording", path.display()))
    }

    /// The Worker that the client talked to: the first that no other Worker
    /// calls, unless that is its tail.
    pub(super) fn front(&self) -> Result<&Service> {
        let mut called = Vec::new();
        for caller in &self.services {
            for (_, target) in caller.callees()? {
                let callee = target.name().to_owned();
                if callee != caller.name && !self.is_tail_of(&caller.name, &callee) {
                    called.push(callee);
                }
            }
        }
        let own = || {
            self.services
                .iter()
                .filter(|service| service.kind.is_none())
        };
        own()
            .find(|service| !called.contains(&service.name))
            .or_else(|| own().next())
            .context("there is no Worker")
    }

    fn is_tail_of(&self, tail: &str, producer: &str) -> bool {
        self.services
            .iter()
            .filter(|service| service.name == producer)
            .flat_map(|service| service.tails.iter().chain(&service.streaming_tails))
            .any(|target| target.name() == tail)
    }

    /// What the client was answered; none if the recording says it in a way
    /// that is not known.
    pub(super) fn answers(&self) -> Option<Vec<Answer>> {
        answer::read(&self.response_seen_by_client)
    }

    /// How long it took, from the first request to the last tail call, as far
    /// as that is known.
    pub(super) fn duration(&self) -> Duration {
        let items = self.items().unwrap_or_default();
        let began = items
            .iter()
            .filter_map(|item| item["eventTimestamp"].as_u64());
        let ended = self.tail_meta.iter().filter_map(|call| call.received_at);
        let took = began.min().zip(ended.max());
        Duration::from_millis(took.map_or(0, |(began, ended)| ended.saturating_sub(began)))
    }

    /// Every item of every tail call.
    pub(super) fn items(&self) -> Result<Vec<Value>> {
        let calls = self.tail_calls.iter().map(events);
        let calls: Result<Vec<Value>> = calls.collect();
        let items = calls?.into_iter().filter_map(|events| match events {
            Value::Array(items) => Some(items),
            _ => None,
        });
        Ok(items.flatten().collect())
    }

    /// The requests that streaming tails saw, in the form of items. Nothing in them is redacted.
    pub(super) fn streamed_requests(&self) -> Vec<Value> {
        let onsets = self
            .stream_events
            .iter()
            .filter_map(|StreamEvent { event, .. }| {
                let info = &event["event"]["info"];
                let began: jiff::Timestamp = event["timestamp"].as_str()?.parse().ok()?;
                let headers = info["headers"].as_array()?.iter();
                let headers = headers.filter_map(|header| {
                    Some((header["name"].as_str()?.to_owned(), header["value"].clone()))
                });
                let request = json!({
                    "url": info["url"],
                    "method": info["method"],
                    "headers": headers.collect::<Map<_, _>>(),
                    "cf": info["cfJson"],
                });
                Some(json!({
                    "eventTimestamp": began.as_millisecond(),
                    "event": { "request": request },
                    "logs": [],
                }))
            });
        onsets.collect()
    }

    /// All that is compared.
    pub(super) fn observed(&self) -> Result<Observed> {
        let answers = self
            .answers()
            .context("the recording does not say what the client was answered")?;
        let calls = self.tail_calls.iter().enumerate();
        let tail_calls = calls.map(|(index, call)| {
            let meta = self.tail_meta.get(index).context("a call has no meta")?;
            Ok(TailCall {
                worker: meta.worker.clone(),
                argc: meta.argc.clone(),
                is_array: meta.is_array.clone(),
                props: meta.ctx_props.clone(),
                more: Value::Object(
                    meta.more
                        .iter()
                        .filter(|(key, _)| !OF_THE_REPORT.contains(&key.as_str()))
                        .map(|(key, value)| (key.clone(), value.clone()))
                        .collect(),
                ),
                events: events(call)?,
            })
        });
        let marks = self.marks.iter().cloned().map(|mut mark| {
            mark.remove("received_at");
            Value::Object(mark)
        });
        Ok(Observed {
            answers,
            tail_calls: tail_calls.collect::<Result<_>>()?,
            stream_events: self.stream_events.clone(),
            marks: marks.collect(),
        })
    }
}

/// The items of a call, which may be there as text.
fn events(call: &Value) -> Result<Value> {
    match call {
        Value::String(text) => Ok(serde_json::from_str(text)?),
        value => Ok(value.clone()),
    }
}
