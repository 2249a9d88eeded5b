//! Dispatch namespaces: user Workers that a dispatcher finds by name.

use crate::channels::call::NOT_FOUND;
use crate::channels::failed::CallFailed;
use crate::component::compiler::Compiler;
use crate::places::Share;
use crate::platform::Platform;
use crate::settings::WorkerSettings;
use crate::settings::identity::WorkerId;
use crate::worker::{Code, Worker};
use lru::LruCache;
use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Finds user Workers.
///
/// What a user Worker may use is decided here: the settings that are found are
/// taken as they are.
pub trait Namespaces: Send + Sync + 'static {
    /// Finds a Worker of a namespace. What it runs is compiled by `compiler`.
    fn find<'a>(&'a self, compiler: &'a Compiler, wanted: Wanted<'a>) -> Finding<'a>;
}

/// The user Worker that is looked for.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The dispatch namespace.
    pub namespace: &'a str,
    /// The name that the dispatcher asks for. It may be any text.
    pub name: &'a str,
    /// The identity that the Worker is going to have, for bindings to classes
    /// of its own.
    pub id: &'a WorkerId,
    /// The version that was found last.
    pub known: Option<u64>,
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

/// User Workers that are kept. The one that was not called longest goes first;
/// it is found again when it is called.
const KEPT: NonZeroUsize = NonZeroUsize::new(1024).expect("it is not 0");

/// The user Workers that are deployed.
pub(crate) struct Dispatched {
    places: Mutex<LruCache<WorkerId, Version>>,
    /// What the Workers of each namespace may run at a time. There are as many
    /// as dispatchers are configured with.
    shares: Mutex<HashMap<String, Arc<Share>>>,
}

/// The version of a user Worker, once it is deployed. Held by the call that
/// looks for the Worker: others that want the same one wait for it, and only
/// they.
type Version = Arc<tokio::sync::Mutex<Option<u64>>>;

impl Default for Dispatched {
    fn default() -> Self {
        Self {
            places: Mutex::new(LruCache::new(KEPT)),
            shares: Mutex::default(),
        }
    }
}

impl Dispatched {
    /// The place of a Worker, and the Worker that has to go for it.
    fn place(&self, worker: &WorkerId) -> (Version, Option<WorkerId>) {
        let mut places = self.lock();
        if let Some(place) = places.get(worker) {
            return (Arc::clone(place), None);
        }
        let place = Version::default();
        let pushed = places.push(worker.clone(), Arc::clone(&place));
        (place, pushed.map(|(evicted, _)| evicted))
    }

    fn remove(&self, worker: &WorkerId) {
        self.lock().pop(worker);
    }

    fn lock(&self) -> MutexGuard<'_, LruCache<WorkerId, Version>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The user Worker of a name, as it is now.
pub(crate) async fn find(
    platform: &Arc<Platform>,
    namespace: &str,
    name: &str,
) -> Result<Arc<Worker>, CallFailed> {
    let Some(namespaces) = &platform.namespaces else {
        return Err(CallFailed::new("this runtime has no dispatch namespaces"));
    };
    let id = WorkerId::user(namespace, name);
    let place = platform.place(&id);
    let mut version = place.lock().await;
    let deployed = platform.find(&id);
    let known = deployed.as_ref().and(*version);
    let wanted = Wanted {
        namespace,
        name,
        id: &id,
        known,
    };
    match namespaces.find(&platform.compiler, wanted).await {
        Ok(Found::Unchanged) => deployed.ok_or_else(|| CallFailed::new(NOT_FOUND)),
        Ok(Found::Worker {
            version: found,
            settings,
            code,
        }) => {
            let share = platform.share_of_namespace(namespace);
            let worker = platform.worker(id.clone(), *settings, *code, Some(share));
            *version = Some(found);
            platform.deploy_user_worker(Arc::clone(&worker));
            Ok(worker)
        }
        Ok(Found::Nothing) => {
            platform.dispatched.remove(&id);
            platform.undeploy(&id);
            let reason = format!("the dispatch namespace `{namespace}` has no such Worker");
            let settings = WorkerSettings::new(name);
            Ok(platform.worker(id, settings, Code::Missing(reason), None))
        }
        Err(reason) => Err(CallFailed::new(format!(
            "The Worker `{name}` of the dispatch namespace `{namespace}` cannot run: {reason}"
        ))),
    }
}

impl Platform {
    /// What the Workers of a namespace may run at a time, together: half of what
    /// there is room for.
    fn share_of_namespace(&self, namespace: &str) -> Arc<Share> {
        let shares = &self.dispatched.shares;
        let mut shares = shares.lock().unwrap_or_else(PoisonError::into_inner);
        let limit = self.places.instances() / 2;
        let share = shares
            .entry(namespace.to_owned())
            .or_insert_with(|| Share::new(limit, None));
        Arc::clone(share)
    }

    /// The place of a user Worker. Another one is let go if need be.
    fn place(&self, worker: &WorkerId) -> Version {
        let (place, evicted) = self.dispatched.place(worker);
        if let Some(evicted) = evicted {
            self.undeploy(&evicted);
        }
        place
    }

    fn deploy_user_worker(self: &Arc<Self>, worker: Arc<Worker>) {
        let id = worker.context.id.clone();
        let has_objects = worker.context.settings.has_objects(&id);
        self.deploy(worker);
        // It may have lost its place while it was looked for.
        self.place(&id);
        if has_objects {
            self.ring_alarms(&id);
        }
    }
}
