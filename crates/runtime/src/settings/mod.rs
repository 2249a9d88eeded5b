//! What a Worker is configured with: plain data.

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

/// Workers that may call each other in a row, tails included; Cloudflare's
/// limit of Workers for one request.
pub(crate) const DEPTH: u32 = 32;

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
