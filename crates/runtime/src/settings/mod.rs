//! What a Worker is configured with: plain data.

pub(crate) mod egress;
pub(crate) mod identity;

use crate::platform::dispatch::DispatchNamespace;
use crate::settings::egress::Egress;
use crate::settings::identity::WorkerId;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

/// The configuration of one Worker.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkerSettings {
    /// The name that it is deployed under: events are dispatched to it by this
    /// name, and it is the `scriptName` of its trace items.
    pub name: String,
    /// What `env` holds, and for components `wasi:config/store` and the
    /// environment variables: strings as they are, other values as JSON.
    pub vars: BTreeMap<String, Value>,
    /// The Workers that receive its trace items, one call each, in this order.
    /// One that occurs twice is called twice.
    pub tail_consumers: Vec<Target>,
    /// Items that may come in one tail event of it, when more than one waits. 1
    /// for a call for each item. The items of a dispatcher and its user Workers
    /// come together in any case.
    pub max_batch: usize,
    /// What it may use beside that, by the names in `env`.
    pub bindings: BTreeMap<String, Binding>,
    /// Where its other requests go.
    pub egress: Egress,
    /// What its invocations may use.
    pub limits: Limits,
}

/// The most items of one tail event, unless a Tail Worker has its own number:
/// as many calls as there may be at a time.
pub const MAX_BATCH: usize = 32;

impl WorkerSettings {
    /// A Worker with no vars, no tail consumers and default limits.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            vars: BTreeMap::new(),
            tail_consumers: Vec::new(),
            max_batch: MAX_BATCH,
            bindings: BTreeMap::new(),
            egress: Egress::default(),
            limits: Limits::default(),
        }
    }
}

impl WorkerSettings {
    /// Whether `own`, the Worker that has these settings, is known to have
    /// classes of Durable Objects.
    pub(crate) fn has_objects(&self, own: &WorkerId) -> bool {
        let mut bindings = self.bindings.values();
        bindings
            .any(|binding| matches!(binding, Binding::DurableObject(class) if class.worker == *own))
    }

    /// The vars as text.
    pub(crate) fn text_vars(&self) -> impl Iterator<Item = (&String, Cow<'_, str>)> {
        self.vars.iter().map(|(name, value)| match value {
            Value::String(text) => (name, Cow::from(text)),
            other => (name, Cow::from(other.to_string())),
        })
    }
}

/// What a Worker may use.
#[derive(Clone, Debug, PartialEq)]
pub enum Binding {
    /// Another Worker, to be called.
    Service(Target),
    /// A loader of dynamic Workers.
    Loader,
    /// The Durable Objects of a class: the entrypoint of a Worker.
    DurableObject(Target),
    /// The Workers of a dispatch namespace.
    Dispatch(DispatchNamespace),
    /// A KV namespace, by its id.
    Kv(String),
    /// A dataset of Analytics Engine, by its name.
    AnalyticsEngine(String),
}

/// A Worker as another one refers to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// The Worker.
    pub worker: WorkerId,
    /// The export that handles the event, none for the default one.
    pub entrypoint: Option<String>,
    /// What that export knows as `ctx.props`.
    pub props: Map<String, Value>,
    /// The Durable Object, if it is one: the export is its class.
    pub object: Option<ObjectId>,
}

/// A Durable Object of a class.
#[derive(Clone, Debug, PartialEq, serde::Deserialize)]
pub struct ObjectId {
    /// Its id: 64 hexadecimal digits.
    pub id: String,
    /// The name that the id was made of, if the caller knows it.
    pub name: Option<String>,
}

impl<W: Into<WorkerId>> From<W> for Target {
    fn from(worker: W) -> Self {
        Self {
            worker: worker.into(),
            entrypoint: None,
            props: Map::new(),
            object: None,
        }
    }
}

/// What one invocation may use, and how many there may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// CPU time, not counting time spent waiting. Cloudflare's default for
    /// paid plans: 30 seconds.
    pub cpu: Duration,
    /// Bytes of memory and tables of all instances of the component together.
    /// Cloudflare's limit for an isolate: 128 MiB.
    pub memory: usize,
    /// Time from the event to the end of everything it causes, waiting
    /// included. Without it, a fetch event lasts as long as its client stays,
    /// and any other event [`EVENT_WALL_TIME`].
    pub wall_time: Option<Duration>,
    /// Time that a fetch event may go on after its response: Cloudflare's limit
    /// for `waitUntil` is 30 seconds.
    pub wait_until: Duration,
    /// Outgoing HTTP requests. Cloudflare's limit for paid plans: 10,000.
    pub subrequests: u32,
    /// Fetch events, and calls by other Workers, at a time, those of the dynamic
    /// Workers that it makes included. A further one is refused at once. One of
    /// a component counts as often as an instance has memories.
    pub instances: usize,
}

/// How long an event without a client may last: Cloudflare's limit for cron
/// triggers, alarms and queue consumers.
pub const EVENT_WALL_TIME: Duration = Duration::from_secs(15 * 60);

impl Default for Limits {
    fn default() -> Self {
        Self {
            cpu: Duration::from_secs(30),
            memory: 128 << 20,
            wall_time: None,
            wait_until: Duration::from_secs(30),
            subrequests: 10_000,
            // A quarter of the pool, so that one Worker cannot take it all.
            instances: 256,
        }
    }
}
