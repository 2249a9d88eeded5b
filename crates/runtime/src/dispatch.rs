//! Dispatch namespaces: user Workers that a dispatcher finds by name.

use crate::egress::Egress;
use crate::invocation::Invocation;
use crate::platform::Platform;
use crate::runtime::Runtime;
use crate::service::{CallFailed, Callee};
use crate::settings::{Binding, Limits, Target, WorkerSettings};
use crate::worker::{Code, Worker};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use taffrail_trace::TraceItem;
use tokio_util::task::task_tracker::TaskTrackerToken;

/// Finds user Workers.
pub trait Namespaces: Send + Sync + 'static {
    /// Finds a Worker of a namespace. `known` is the version that was found
    /// last.
    fn find<'a>(
        &'a self,
        runtime: &'a Runtime,
        namespace: &'a str,
        worker: &'a str,
        known: Option<u64>,
    ) -> Finding<'a>;
}

/// A Worker that is being looked for. The error says why it cannot run.
pub type Finding<'a> = Pin<Box<dyn Future<Output = Result<Found, String>> + Send + 'a>>;

/// What was found.
pub enum Found {
    /// There is no such Worker.
    Nothing,
    /// It is of the version that is known.
    Unchanged,
    /// It is of this version.
    Worker {
        /// What tells it from earlier ones.
        version: u64,
        /// Its settings.
        settings: Box<WorkerSettings>,
        /// What there is to run.
        code: Box<Code>,
    },
}

/// A namespace as a dispatcher knows it.
#[derive(Clone, Debug, PartialEq, serde::Serialize, Deserialize)]
pub struct DispatchNamespace {
    /// Its name.
    pub namespace: String,
    /// The Worker that receives the requests of its Workers.
    #[serde(default)]
    pub outbound: Option<Target>,
}

/// The versions of the user Workers that are deployed, by the names under
/// which they are.
#[derive(Default)]
pub(crate) struct Dispatched(tokio::sync::Mutex<HashMap<String, u64>>);

/// A user Worker as a dispatcher asks for it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Dispatch {
    /// The binding.
    pub(crate) dispatch: String,
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) limits: LimitsJson,
    /// What the outbound Worker has in its `env`.
    #[serde(default)]
    pub(crate) parameters: Map<String, Value>,
}

/// Limits that a Worker sets for another one.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct LimitsJson {
    pub(crate) cpu_ms: Option<u64>,
    pub(crate) sub_requests: Option<u32>,
}

impl LimitsJson {
    /// The lower ones of these and `own`.
    pub(crate) fn within(&self, own: &Limits) -> Limits {
        let cpu = self.cpu_ms.map_or(own.cpu, Duration::from_millis);
        Limits {
            cpu: cpu.min(own.cpu),
            subrequests: self
                .sub_requests
                .map_or(own.subrequests, |limit| limit.min(own.subrequests)),
            ..own.clone()
        }
    }
}

/// What a dispatcher decides for one call of a user Worker.
#[derive(Clone)]
pub(crate) struct Terms {
    pub(crate) limits: Limits,
    pub(crate) egress: Option<Egress>,
    /// What an outbound Worker has in its `env` for it.
    pub(crate) parameters: Arc<Map<String, Value>>,
    /// Where its item goes, beside its own tails.
    pub(crate) together: Arc<Together>,
}

/// The user Worker that a dispatcher asks for, ready to be called.
pub(crate) async fn callee(
    caller: &Arc<Invocation>,
    dispatch: Dispatch,
) -> Result<Callee, CallFailed> {
    let bindings = &caller.worker.settings.bindings;
    let Some(Binding::Dispatch(namespace)) = bindings.get(&dispatch.dispatch) else {
        return Err(CallFailed::new(format!(
            "there is no dispatch namespace `{}`",
            dispatch.dispatch
        )));
    };
    let platform = caller.platform()?;
    let worker = find(&platform, &namespace.namespace, &dispatch.name).await?;
    let terms = Terms {
        limits: dispatch.limits.within(&worker.settings.limits),
        egress: namespace.outbound.clone().map(Egress::Worker),
        parameters: Arc::new(dispatch.parameters),
        together: caller.together(),
    };
    Ok(Callee {
        worker: Some(Arc::clone(&worker)),
        terms: Some(terms),
        ..Callee::from(Target::from(worker.settings.name.as_str()))
    })
}

async fn find(
    platform: &Arc<Platform>,
    namespace: &str,
    name: &str,
) -> Result<Arc<Worker>, CallFailed> {
    // No name in a configuration has a slash.
    let place = format!("{namespace}/{name}");
    let Some(namespaces) = &platform.namespaces else {
        return Err(CallFailed::new("this runtime has no dispatch namespaces"));
    };
    let mut versions = platform.dispatched.0.lock().await;
    let runtime = Runtime::of(Arc::clone(platform));
    let known = versions.get(&place).copied();
    let found = namespaces.find(&runtime, namespace, name, known).await;
    let named = |settings: WorkerSettings| WorkerSettings {
        name: name.to_owned(),
        dispatch_namespace: Some(namespace.to_owned()),
        ..settings
    };
    match found {
        Ok(Found::Unchanged) => {
            let worker = platform.find(&place);
            worker.ok_or_else(|| CallFailed::new(NOT_FOUND))
        }
        Ok(Found::Worker {
            version,
            settings,
            code,
        }) => {
            let worker = platform.worker(named(*settings), *code);
            platform.write().insert(place.clone(), Arc::clone(&worker));
            versions.insert(place, version);
            Ok(worker)
        }
        Ok(Found::Nothing) => {
            versions.remove(&place);
            let gone = platform.write().remove(&place);
            drop(gone);
            let reason = format!("the dispatch namespace `{namespace}` has no such Worker");
            let nobody = named(WorkerSettings::new(name));
            Ok(platform.worker(nobody, Code::Missing(reason)))
        }
        Err(reason) => Err(CallFailed::new(format!(
            "The Worker `{name}` of the dispatch namespace `{namespace}` cannot run: {reason}"
        ))),
    }
}

/// What Cloudflare's dispatchers are told.
pub(crate) const NOT_FOUND: &str = "Worker not found.";

/// The items of a dispatcher and of the user Workers that it called. They go to
/// the dispatcher's tails in one call, once the last of them is there.
pub(crate) struct Together {
    dispatcher: Arc<Worker>,
    items: Mutex<Items>,
    /// Keeps the runtime from counting as idle.
    _pending: TaskTrackerToken,
}

#[derive(Default)]
struct Items {
    dispatcher: Option<Arc<TraceItem>>,
    users: Vec<Arc<TraceItem>>,
}

impl Together {
    pub(crate) fn new(dispatcher: &Arc<Worker>) -> Arc<Self> {
        Arc::new(Self {
            dispatcher: Arc::clone(dispatcher),
            items: Mutex::default(),
            _pending: dispatcher.tracker.token(),
        })
    }

    /// Adds the item of a user Worker. Beyond a number of them they go alone.
    pub(crate) fn add(&self, item: &Arc<TraceItem>) {
        let mut items = self.items.lock().unwrap_or_else(PoisonError::into_inner);
        items.users.push(Arc::clone(item));
        if items.users.len() >= BATCH {
            let full = std::mem::take(&mut items.users);
            drop(items);
            self.dispatcher.tell(&full);
        }
    }

    /// Adds the item of the dispatcher itself.
    pub(crate) fn add_dispatcher(&self, item: &Arc<TraceItem>) {
        let mut items = self.items.lock().unwrap_or_else(PoisonError::into_inner);
        items.dispatcher = Some(Arc::clone(item));
    }
}

/// Items of user Workers that wait for their dispatcher's.
const BATCH: usize = 100;

impl Drop for Together {
    fn drop(&mut self) {
        let items = std::mem::take(self.items.get_mut().unwrap_or_else(PoisonError::into_inner));
        let all: Vec<_> = items.dispatcher.into_iter().chain(items.users).collect();
        if !all.is_empty() {
            self.dispatcher.tell(&all);
        }
    }
}
