//! References to Workers and Durable Objects.

use crate::settings::identity::WorkerId;
use serde_json::{Map, Value};
use std::sync::Arc;

/// A reference from one Worker to another.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// The Worker that is referred to.
    pub worker: WorkerId,
    /// The export that handles the event. `None` is the default export.
    pub entrypoint: Option<String>,
    /// The `ctx.props` of that export.
    pub props: Arc<Map<String, Value>>,
    /// The Durable Object, if the target is one. The entrypoint is then its class.
    pub object: Option<ObjectId>,
}

/// A reference to a Durable Object of a class.
#[derive(Clone, Debug, PartialEq, serde::Deserialize)]
pub struct ObjectId {
    /// The id: 64 hexadecimal digits.
    pub id: String,
    /// The name that the id was derived from, if the caller knows it.
    pub name: Option<String>,
}

impl<W: Into<WorkerId>> From<W> for Target {
    fn from(worker: W) -> Self {
        Self {
            worker: worker.into(),
            entrypoint: None,
            props: Arc::default(),
            object: None,
        }
    }
}
