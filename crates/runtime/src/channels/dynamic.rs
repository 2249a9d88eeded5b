//! Dynamic Workers: their modules, and the lookup of an id.

use crate::channels::failed::CallFailed;
use crate::invocation::held::parsed_bytes;
use crate::settings::WorkerSettings;
use crate::settings::identity::WorkerId;
use serde_json::Value;
use std::collections::BTreeMap;
use tokio::sync::OwnedMutexGuard;

/// The modules of a Worker that is made at run time, by name.
#[derive(Clone, Debug, PartialEq)]
pub struct Modules {
    /// The name of the module with the handlers.
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
    /// A value that is parsed from JSON.
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

/// Obliges its holder to make a dynamic Worker. If it is dropped, the next call that requests the
/// id takes it over.
pub(crate) type Reservation = OwnedMutexGuard<Option<Result<WorkerId, CallFailed>>>;

/// The result of looking up an id.
pub(crate) enum Lookup {
    /// The Worker exists.
    Made(WorkerId),
    /// The Worker does not exist yet, and the caller must make it.
    Vacant(Reservation),
}

/// The settings and the code of a Worker to be made.
pub(crate) struct Plan {
    pub(crate) settings: WorkerSettings,
    pub(crate) modules: Modules,
}

impl Plan {
    /// Returns the approximate size in bytes.
    pub(crate) fn bytes(&self) -> usize {
        let vars = self.settings.vars.values();
        let vars: usize = vars
            .map(|value| parsed_bytes(value.to_string().as_bytes()))
            .sum();
        let modules: usize = self.modules.modules.values().map(Module::size).sum();
        vars + modules
    }
}
