//! References of a script to a Worker.

use crate::channels::call;
use crate::channels::failed::CallFailed;
use crate::invocation::Invocation;
use crate::script::object;
use crate::settings::identity::WorkerId;
use crate::settings::{Binding, ObjectId, Target};
use serde::Deserialize;
use serde_json::{Map, Value};

/// A Worker that a script calls, or that it refers to in settings.
#[derive(Deserialize)]
pub(super) struct Referred {
    #[serde(flatten)]
    pub(super) callee: Callee,
    /// The Durable Object, if the callee is a class.
    pub(super) object: Option<ObjectId>,
}

/// A Worker or a class of Durable Objects.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Callee {
    /// The Worker of a binding.
    Binding { binding: String },
    /// An export of the Worker itself.
    Export {
        export: String,
        #[serde(default)]
        props: Map<String, Value>,
    },
    /// A dynamic Worker that it has loaded, by handle.
    Loaded {
        loaded: String,
        entrypoint: Option<String>,
        #[serde(default)]
        props: Map<String, Value>,
    },
}

impl Referred {
    pub(super) fn into_target(self, invocation: &Invocation) -> Result<Target, CallFailed> {
        let target = self.callee.into_target(invocation)?;
        match self.object {
            None => Ok(target),
            Some(object) if object::is_id(&object.id) => Ok(Target {
                object: Some(object),
                ..target
            }),
            Some(_) => Err(CallFailed::new("the id of the Durable Object is malformed")),
        }
    }
}

impl Callee {
    fn into_target(self, invocation: &Invocation) -> Result<Target, CallFailed> {
        let settings = &invocation.worker.settings;
        match self {
            Self::Binding { binding } => match settings.bindings.get(&binding) {
                Some(Binding::DurableObject(class)) => Ok(class.clone()),
                _ => call::of_binding(invocation, &binding),
            },
            Self::Export { export, props } => Ok(Target {
                entrypoint: (export != "default").then_some(export),
                props: props.into(),
                ..Target::from(invocation.worker.id.clone())
            }),
            Self::Loaded {
                loaded,
                entrypoint,
                props,
            } => Ok(Target {
                entrypoint: entrypoint.filter(|name| name != "default"),
                props: props.into(),
                ..Target::from(
                    WorkerId::of_handle(&invocation.worker.id, &loaded)
                        .ok_or_else(|| CallFailed::new("there is no such dynamic Worker"))?,
                )
            }),
        }
    }
}
