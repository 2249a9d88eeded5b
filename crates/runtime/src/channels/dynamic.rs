//! Dynamic Workers: their modules, and what there is for an id.

use crate::channels::failed::CallFailed;
use crate::invocation::held::parsed_bytes;
use crate::settings::WorkerSettings;
use crate::settings::identity::WorkerId;
use serde_json::Value;
use std::collections::BTreeMap;
use tokio::sync::OwnedMutexGuard;

/// The modules of a Worker that is made at run time, by their names.
#[derive(Clone, Debug, PartialEq)]
pub struct Modules {
    /// The name of the one with the handlers.
    pub main: String,
    /// All of them.
    pub modules: BTreeMap<String, Module>,
}

/// One module.
#[derive(Clone, Debug, PartialEq)]
pub enum Module {
    /// JavaScript: an ES module.
    Js(String),
    /// JavaScript: a CommonJS module.
    CommonJs(String),
    /// A string.
    Text(String),
    /// What JSON can hold.
    Json(Value),
    /// Bytes.
    Data(Vec<u8>),
    /// A component.
    Wasm(Vec<u8>),
}

impl Module {
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Js(text) | Self::CommonJs(text) | Self::Text(text) => text.len(),
            Self::Data(bytes) | Self::Wasm(bytes) => bytes.len(),
            Self::Json(value) => value.to_string().len(),
        }
    }
}

/// The duty to make a dynamic Worker. Dropped, it goes to the next call that
/// asks for the id.
pub(crate) type Reservation = OwnedMutexGuard<Option<Result<WorkerId, CallFailed>>>;

/// What there is for an id.
pub(crate) enum Lookup {
    /// The Worker.
    Made(WorkerId),
    /// None yet: it is the caller's to make.
    Vacant(Reservation),
}

/// What is to be made.
pub(crate) struct Plan {
    pub(crate) settings: WorkerSettings,
    pub(crate) modules: Modules,
}

impl Plan {
    /// Bytes that it holds, about.
    pub(crate) fn bytes(&self) -> usize {
        let vars = self.settings.vars.values();
        let vars: usize = vars
            .map(|value| parsed_bytes(value.to_string().as_bytes()))
            .sum();
        let modules: usize = self.modules.modules.values().map(Module::size).sum();
        vars + modules
    }
}
