//! Workers and Durable Objects as others refer to them.

use crate::settings::identity::WorkerId;
use serde_json::{Map, Value};
use std::sync::Arc;

/// A Worker as another one refers to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// The Worker.
    pub worker: WorkerId,
    /// The export that handles the event, none for the default one.
    pub entrypoint: Option<String>,
    /// What that export knows as `ctx.props`.
    pub props: Arc<Map<String, Value>>,
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
            props: Arc::default(),
            object: None,
        }
    }
}
