//! The configuration of a Worker, as plain data.

mod binding;
pub(crate) mod egress;
pub(crate) mod identity;
mod limits;
mod tails;
mod target;

pub use binding::{Binding, DispatchNamespace};
pub use limits::{EVENT_WALL_TIME, Limits};
pub use tails::tail_cycle;
pub use target::{ObjectId, Target};

use crate::settings::egress::Egress;
use crate::settings::identity::WorkerId;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

/// The configuration of one Worker.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkerSettings {
    /// The name that the Worker is deployed under. Events are dispatched by this name, and it is
    /// the `scriptName` of the Worker's trace items.
    pub name: String,
    /// The variables: in `env` for scripts, in `wasi:config/store` and the environment variables
    /// for components. Components see strings as they are and other values as JSON.
    pub vars: BTreeMap<String, Value>,
    /// The Workers that receive its trace items, one call each, in this order. A Worker that is
    /// listed twice is called twice.
    pub tail_consumers: Vec<Target>,
    /// The Workers that receive the events of its invocations as they happen.
    pub streaming_tail_consumers: Vec<Target>,
    /// How many items one tail event for this Worker has.
    pub tail_batch: TailBatch,
    /// The number of events that an instance of a component handles, one after the other, before
    /// it is replaced. With 1, each event has a fresh instance. `None` is 128 for tail events and
    /// for components of WASI 0.3, and 1 otherwise.
    pub instance_reuse: Option<NonZeroU32>,
    /// Its bindings, by their names in `env`.
    pub bindings: BTreeMap<String, Binding>,
    /// Where requests go that are not made through a binding.
    pub egress: Egress,
    /// The limits of its invocations.
    pub limits: Limits,
    /// The share of requests that are kept as logs, from 0 to 1. It applies to the requests that
    /// begin with this Worker, and to all that they call. Items carry it for the consumer that
    /// keeps them.
    pub log_sampling_rate: f64,
    /// The share of traces whose spans are recorded for consumers of items, from 0 to 1. It
    /// applies to the traces that begin with this Worker, and to all that is part of them. The id
    /// of the trace decides.
    pub trace_sampling_rate: f64,
}

/// How many items one event of a Tail Worker has. The items of a dispatcher and its user Workers
/// always come together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TailBatch {
    /// The most items, if several are waiting. With 1, each item has a call of its own.
    pub items: usize,
    /// How long the first item waits for others. Usually it does not: the call starts at once, and
    /// takes along what has come until it runs.
    pub wait: Duration,
}

impl Default for TailBatch {
    /// 32 items, as many as the calls that a Tail Worker may run at a time, and no wait.
    fn default() -> Self {
        Self {
            items: 32,
            wait: Duration::ZERO,
        }
    }
}

/// The longest chain of calls from Worker to Worker, including tails. Cloudflare's limit of
/// Workers for one request.
pub(crate) const DEPTH: u32 = 32;

impl WorkerSettings {
    /// A Worker with no vars, no tail consumers and default limits.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            vars: BTreeMap::new(),
            tail_consumers: Vec::new(),
            streaming_tail_consumers: Vec::new(),
            tail_batch: TailBatch::default(),
            instance_reuse: None,
            bindings: BTreeMap::new(),
            egress: Egress::default(),
            limits: Limits::default(),
            log_sampling_rate: 1.0,
            trace_sampling_rate: 1.0,
        }
    }
}

impl WorkerSettings {
    /// Whether these settings, which are those of `own`, bind a Durable Object class of `own`.
    pub(crate) fn has_objects(&self, own: &WorkerId) -> bool {
        let mut bindings = self.bindings.values();
        bindings
            .any(|binding| matches!(binding, Binding::DurableObject(class) if class.worker == *own))
    }

    /// Returns the variables as text.
    pub(crate) fn text_vars(&self) -> impl Iterator<Item = (&String, Cow<'_, str>)> {
        self.vars.iter().map(|(name, value)| match value {
            Value::String(text) => (name, Cow::from(text)),
            other => (name, Cow::from(other.to_string())),
        })
    }
}
