//! Dispatch namespaces, whose user Workers are found by name.

use crate::channels::BoxFuture;
use crate::channels::call::NOT_FOUND;
use crate::channels::failed::CallFailed;
use crate::places::Share;
use crate::platform::compiler::Compiler;
use crate::platform::loader::Loaders;
use crate::platform::registry::Registry;
use crate::settings::WorkerSettings;
use crate::settings::identity::WorkerId;
use crate::worker::{Code, Worker};
use lru::LruCache;
use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Finds user Workers.
///
/// The implementation decides what a user Worker may use: the settings that it returns are not
/// restricted further.
pub trait Namespaces: Send + Sync + 'static {
    /// Finds a Worker of a namespace. Its code is compiled by `compiler`. The error says why it
    /// cannot run.
    fn find<'a>(
        &'a self,
        compiler: &'a Compiler,
        wanted: Wanted<'a>,
    ) -> BoxFuture<'a, Result<Found, String>>;
}

/// The user Worker to find.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The dispatch namespace.
    pub namespace: &'a str,
    /// The name that the dispatcher gave, which may be any text.
    pub name: &'a str,
    /// The identity that the Worker will have, for bindings to its own classes.
    pub id: &'a WorkerId,
    /// The version that was found last time.
    pub known: Option<u64>,
}

/// The result of a search for a user Worker.
pub enum Found {
    /// The Worker does not exist.
    Nothing,
    /// The version is the known one.
    Unchanged,
    /// There is a new version.
    Worker {
        /// Distinguishes the version from earlier ones.
        version: u64,
        /// The settings of the Worker.
        settings: Box<WorkerSettings>,
        /// The code of the Worker.
        code: Box<Code>,
    },
}

/// User Workers that are kept. The least recently called one is dropped first, and found again
/// when it is called.
const KEPT: NonZeroUsize = NonZeroUsize::new(1024).expect("it is not 0");

/// The deployed user Workers.
pub(crate) struct UserWorkers {
    registry: Arc<Registry>,
    loaders: Arc<Loaders>,
    compiler: Compiler,
    /// `None` in a runtime without dispatch namespaces.
    namespaces: Option<Arc<dyn Namespaces>>,
    places: Mutex<LruCache<WorkerId, Version>>,
    /// The concurrency limits of each namespace. There are as many namespaces as dispatchers are
    /// configured with.
    shares: Mutex<HashMap<String, Arc<Share>>>,
}

/// The version of a user Worker, once it is deployed. The call that looks up the Worker holds the
/// lock. Only calls for the same Worker wait for it.
type Version = Arc<tokio::sync::Mutex<Option<u64>>>;

/// A user Worker that was found.
pub(crate) struct UserWorker {
    pub(crate) worker: Arc<Worker>,
    /// Whether this call deployed it.
    pub(crate) is_new: bool,
}

impl UserWorkers {
    pub(crate) fn new(
        registry: &Arc<Registry>,
        loaders: &Arc<Loaders>,
        compiler: &Compiler,
        namespaces: Option<Arc<dyn Namespaces>>,
    ) -> Self {
        Self {
            registry: Arc::clone(registry),
            loaders: Arc::clone(loaders),
            compiler: compiler.clone(),
            namespaces,
            places: Mutex::new(LruCache::new(KEPT)),
            shares: Mutex::default(),
        }
    }

    /// Returns the current version of a user Worker.
    pub(crate) async fn find(&self, namespace: &str, name: &str) -> Result<UserWorker, CallFailed> {
        let Some(namespaces) = &self.namespaces else {
            return Err(CallFailed::new("this runtime has no dispatch namespaces"));
        };
        let registry = &self.registry;
        let id = WorkerId::user(namespace, name);
        let place = self.place(&id);
        let mut version = place.lock().await;
        let deployed = registry.find(&id);
        let wanted = Wanted {
            namespace,
            name,
            id: &id,
            known: deployed.as_ref().and(*version),
        };
        let found = namespaces.find(&self.compiler, wanted).await;
        let found = found.map_err(|reason| {
            CallFailed::new(format!(
                "The Worker `{name}` of the dispatch namespace `{namespace}` cannot run: {reason}"
            ))
        })?;
        match found {
            Found::Unchanged => {
                let worker = deployed.ok_or_else(|| CallFailed::new(NOT_FOUND))?;
                Ok(UserWorker {
                    worker,
                    is_new: false,
                })
            }
            Found::Worker {
                version: found,
                settings,
                code,
            } => {
                let share = self.share(namespace);
                let worker = registry.worker(id.clone(), *settings, *code, Some(share));
                *version = Some(found);
                registry.deploy(Arc::clone(&worker));
                // Another Worker may have displaced it during the search.
                self.place(&id);
                Ok(UserWorker {
                    worker,
                    is_new: true,
                })
            }
            Found::Nothing => {
                self.places().pop(&id);
                self.loaders.undeploy(&id);
                let reason = format!("the dispatch namespace `{namespace}` has no such Worker");
                let settings = WorkerSettings::new(name);
                Ok(UserWorker {
                    worker: registry.worker(id, settings, Code::Missing(reason), None),
                    is_new: false,
                })
            }
        }
    }

    /// Returns the entry of a user Worker. If there are too many, another one is dropped.
    fn place(&self, worker: &WorkerId) -> Version {
        let mut places = self.places();
        if let Some(place) = places.get(worker) {
            return Arc::clone(place);
        }
        let place = Version::default();
        let evicted = places.push(worker.clone(), Arc::clone(&place));
        drop(places);
        if let Some((evicted, _)) = evicted {
            self.loaders.undeploy(&evicted);
        }
        place
    }

    /// Returns the shared concurrency limit of a namespace: half of all places.
    fn share(&self, namespace: &str) -> Arc<Share> {
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        let limit = self.registry.places.instances() / 2;
        let share = shares
            .entry(namespace.to_owned())
            .or_insert_with(|| Share::new(limit, None));
        Arc::clone(share)
    }

    fn places(&self) -> MutexGuard<'_, LruCache<WorkerId, Version>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
