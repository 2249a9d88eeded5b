//! Workers that are made by others while they run: the worker loader.

use crate::egress::Egress;
use crate::invocation::Invocation;
use crate::platform::Platform;
use crate::runtime::Runtime;
use crate::script::Script;
use crate::service::CallFailed;
use crate::settings::{Binding, WorkerSettings};
use crate::worker::Code;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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

/// Makes scripts of modules, which takes a bundler and an engine.
pub trait LoadScript: Send + Sync + 'static {
    /// Makes a script of `modules` that can run in `runtime`.
    fn load<'a>(&'a self, runtime: &'a Runtime, modules: Modules) -> Loading<'a>;
}

/// A script that is being made.
pub type Loading<'a> = Pin<Box<dyn Future<Output = Result<Script, LoadError>> + Send + 'a>>;

/// Why modules do not make a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoadError {
    /// A module is wrong: the exception that a JavaScript engine would throw.
    Module {
        /// Its name.
        name: String,
        /// What it says.
        message: String,
        /// Its frames, one a line.
        stack: Option<String>,
    },
    /// The host cannot do it.
    Host(String),
}

/// Dynamic Workers that are kept. The one that was not asked for longest goes
/// first; it is made again when it is asked for.
const KEPT: usize = 128;

/// The size of the modules of one Worker: Cloudflare's limit for a Worker on
/// paid plans, before compression.
const CODE_BYTES: usize = 64 << 20;

/// The dynamic Workers of a runtime.
#[derive(Default)]
pub(crate) struct Loaders {
    slots: Mutex<HashMap<Key, Slot>>,
    /// Their names, the one that was used last at the end.
    kept: Mutex<VecDeque<String>>,
}

/// A Worker, the name of its binding, and the id that it uses.
type Key = (String, String, String);

/// The dynamic Worker of an id: none as long as nobody has made it. Whoever is
/// to make it holds the lock.
type Slot = Arc<tokio::sync::Mutex<Option<Made>>>;

/// The name under which it is deployed, or why it is not.
type Made = Result<String, CallFailed>;

/// The duty to make a dynamic Worker. Dropped, it goes to the next who asks.
pub(crate) type Making = OwnedMutexGuard<Option<Made>>;

/// What is to be made.
pub(crate) struct Plan {
    pub(crate) settings: WorkerSettings,
    pub(crate) modules: Modules,
}

impl Loaders {
    fn slot(&self, key: Key) -> Slot {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(slots.entry(key).or_default())
    }

    /// Notes that a Worker is in use, and returns one that is to go.
    fn used(&self, name: &str) -> Option<String> {
        let mut kept = self.kept();
        kept.retain(|other| other != name);
        kept.push_back(name.to_owned());
        (kept.len() > KEPT).then(|| kept.pop_front()).flatten()
    }

    fn kept(&self) -> MutexGuard<'_, VecDeque<String>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets what a Worker has made, since it is replaced.
    pub(crate) fn forget(&self, worker: &str) {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.retain(|(owner, ..), _| owner != worker);
    }
}

/// Looks for the dynamic Worker of an id. If there is none it is the caller's
/// to [`make`]; others who ask wait for that.
pub(crate) async fn find(
    caller: &Invocation,
    binding: &str,
    id: &str,
) -> Result<Result<String, Making>, CallFailed> {
    let platform = caller.platform()?;
    let worker = caller.worker.settings.name.clone();
    let slot = platform
        .loaders
        .slot((worker, binding.to_owned(), id.to_owned()));
    let made = slot.lock_owned().await;
    match &*made {
        Some(Ok(name)) if platform.find(name).is_some() => {
            platform.use_dynamic(name);
            Ok(Ok(name.clone()))
        }
        Some(Err(failed)) => Err(failed.clone()),
        // None yet, or not any more.
        _ => Ok(Err(made)),
    }
}

/// Makes a dynamic Worker, or fails as `plan` did, for all who ask for its id.
pub(crate) async fn make(
    caller: &Invocation,
    making: Option<Making>,
    plan: Result<Plan, CallFailed>,
) -> Made {
    let made = match plan {
        Ok(plan) => deploy(&caller.platform()?, plan).await,
        Err(failed) => Err(failed),
    };
    if let Some(mut making) = making {
        *making = Some(made.clone());
    }
    made
}

/// Whether a binding is one of a loader.
pub(crate) fn check_binding(caller: &Invocation, binding: &str) -> Result<(), CallFailed> {
    match caller.worker.settings.bindings.get(binding) {
        Some(Binding::Loader) => Ok(()),
        _ => Err(CallFailed::new(format!(
            "there is no worker loader `{binding}`"
        ))),
    }
}

async fn deploy(platform: &Arc<Platform>, plan: Plan) -> Made {
    let code = code(platform, plan.modules).await?;
    // Not to be guessed: a script that knows the name can call it.
    let name = format!("dynamic-{:032x}", rand::random::<u128>());
    let settings = WorkerSettings {
        name: name.clone(),
        anonymous: true,
        ..plan.settings
    };
    let worker = platform.worker(settings, code);
    platform.write().insert(name.clone(), worker);
    platform.use_dynamic(&name);
    Ok(name)
}

async fn code(platform: &Arc<Platform>, modules: Modules) -> Result<Code, CallFailed> {
    let bytes: usize = modules.modules.values().map(Module::size).sum();
    if bytes > CODE_BYTES {
        return Err(CallFailed::new(format!(
            "The modules have {bytes} bytes; a dynamic Worker has {CODE_BYTES} at most."
        )));
    }
    match modules.modules.get(&modules.main) {
        None => Err(CallFailed::new(format!(
            "The main module `{}` is not among `modules`.",
            modules.main
        ))),
        Some(Module::Wasm(component)) => {
            let compiler = Arc::clone(platform);
            let component = component.clone();
            let compile = move || compiler.compile(&component);
            let compiled = tokio::task::spawn_blocking(compile).await;
            let compiled = compiled.map_err(|error| CallFailed::new(error.to_string()))?;
            let named = |error| CallFailed::new(format!("`{}` cannot run: {error}", modules.main));
            compiled.map(Code::Component).map_err(named)
        }
        Some(Module::Js(_) | Module::CommonJs(_)) => {
            let Some(scripts) = &platform.scripts else {
                return Err(CallFailed::new(
                    "This runtime loads components only: it has nobody to make scripts of modules.",
                ));
            };
            let runtime = Runtime::of(Arc::clone(platform));
            match scripts.load(&runtime, modules).await {
                Ok(script) => Ok(Code::Script(script)),
                Err(LoadError::Module {
                    name,
                    message,
                    stack,
                }) => Ok(Code::Broken {
                    name,
                    message,
                    stack,
                }),
                Err(LoadError::Host(message)) => Err(CallFailed::new(message)),
            }
        }
        Some(_) => Err(CallFailed::new(format!(
            "The main module `{}` is neither JavaScript nor a component.",
            modules.main
        ))),
    }
}

impl Module {
    fn size(&self) -> usize {
        match self {
            Self::Js(text) | Self::CommonJs(text) | Self::Text(text) => text.len(),
            Self::Data(bytes) | Self::Wasm(bytes) => bytes.len(),
            Self::Json(value) => value.to_string().len(),
        }
    }
}

impl Platform {
    fn use_dynamic(&self, name: &str) {
        if let Some(evicted) = self.loaders.used(name) {
            let evicted = self.write().remove(&evicted);
            // Not under the lock: this may end its isolates.
            drop(evicted);
        }
    }
}

/// Where the requests of a dynamic Worker go: as its maker says, or as its
/// maker's own.
pub(crate) fn egress(caller: &Invocation, given: Option<Option<Egress>>) -> Egress {
    match given {
        None => caller.worker.settings.egress.clone(),
        Some(None) => Egress::Hosts(Vec::new()),
        Some(Some(egress)) => egress,
    }
}
