//! Workers that are made by others while they run: the worker loader.

use crate::channels::dynamic::{Lookup, Module, Modules, Plan};
use crate::channels::failed::CallFailed;
use crate::invocation::Invocation;
use crate::platform::compiler::Compiler;
use crate::platform::registry::Registry;

use crate::channels::BoxFuture;
use crate::script::Script;
use crate::settings::identity::WorkerId;
use crate::worker::Code;
use lru::LruCache;
use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Makes scripts of modules, which takes a bundler and an engine.
pub trait ModuleBundler: Send + Sync + 'static {
    /// Makes a script of `modules`, with an engine that `compiler` has compiled.
    /// Dropping the future ends the work.
    fn load<'a>(
        &'a self,
        compiler: &'a Compiler,
        modules: Modules,
        whom: LoadFor<'a>,
    ) -> BoxFuture<'a, Loaded>;
}

/// For whom a script is made.
#[derive(Clone, Copy, Debug)]
pub struct LoadFor<'a> {
    /// The Worker that asks for it, which has its share of the bundler.
    pub worker: &'a WorkerId,
    /// The CPU time that its invocation has left.
    pub cpu: Duration,
}

/// What came of making a script.
pub struct Loaded {
    /// The script, or why there is none.
    pub script: Result<Script, LoadError>,
    /// The CPU time that it took on other threads, which the invocation that
    /// asked is charged for.
    pub cpu: Duration,
}

impl Loaded {
    /// No script, at no cost.
    #[must_use]
    pub fn failed(error: LoadError) -> Self {
        Self {
            script: Err(error),
            cpu: Duration::ZERO,
        }
    }
}

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
    /// It takes more than it may, or the host cannot do it.
    Host(String),
}

/// Dynamic Workers of one Worker that are kept. The one that was not asked for
/// longest goes first; it is made again when it is asked for.
const KEPT: NonZeroUsize = NonZeroUsize::new(128).expect("it is not 0");

/// Bytes of code that the dynamic Workers of one Worker hold together, likewise:
/// those of four of the largest ones.
const KEPT_BYTES: usize = 4 * CODE_BYTES;

/// Ids of one Worker that are known. Failures are remembered under them, too.
const IDS: NonZeroUsize = NonZeroUsize::new(1024).expect("it is not 0");

/// The size of the modules of one Worker: Cloudflare's limit for a Worker on
/// paid plans, before compression.
const CODE_BYTES: usize = 64 << 20;

/// The dynamic Workers of a runtime, by the Workers that made them.
pub(crate) struct Loaders {
    registry: Arc<Registry>,
    compiler: Compiler,
    /// None in a runtime that loads components only.
    scripts: Option<Arc<dyn ModuleBundler>>,
    made: Mutex<HashMap<WorkerId, Made>>,
}

/// What one Worker has made.
struct Made {
    slots: LruCache<Key, Slot>,
    /// With the bytes of their code.
    kept: LruCache<WorkerId, usize>,
}

/// The name of a binding, and the id that the Worker uses.
type Key = (String, String);

/// The dynamic Worker of an id, or why it cannot run: none as long as it has
/// not been made. The call that is to make it holds the lock.
type Slot = Arc<tokio::sync::Mutex<Option<Result<WorkerId, CallFailed>>>>;

impl Default for Made {
    fn default() -> Self {
        Self {
            slots: LruCache::new(IDS),
            kept: LruCache::new(KEPT),
        }
    }
}

impl Loaders {
    pub(crate) fn new(
        registry: &Arc<Registry>,
        compiler: &Compiler,
        scripts: Option<Arc<dyn ModuleBundler>>,
    ) -> Self {
        Self {
            registry: Arc::clone(registry),
            compiler: compiler.clone(),
            scripts,
            made: Mutex::default(),
        }
    }

    fn slot(&self, owner: &WorkerId, key: Key) -> Slot {
        let mut loaders = self.lock();
        let made = loaders.entry(owner.clone()).or_default();
        Arc::clone(made.slots.get_or_insert(key, Slot::default))
    }

    /// Notes that a Worker is in use.
    fn used(&self, owner: &WorkerId, worker: &WorkerId) {
        if let Some(made) = self.lock().get_mut(owner) {
            made.kept.promote(worker);
        }
    }

    /// Notes that a Worker has been made, and returns those that are to go.
    fn made(&self, owner: &WorkerId, worker: &WorkerId, bytes: usize) -> Vec<WorkerId> {
        let mut loaders = self.lock();
        let kept = &mut loaders.entry(owner.clone()).or_default().kept;
        let pushed_out = kept.push(worker.clone(), bytes);
        let mut gone: Vec<_> = pushed_out.map(|(worker, _)| worker).into_iter().collect();
        let mut held: usize = kept.iter().map(|(_, bytes)| bytes).sum();
        while held > KEPT_BYTES
            && kept.len() > 1
            && let Some((worker, bytes)) = kept.pop_lru()
        {
            held -= bytes;
            gone.push(worker);
        }
        gone
    }

    /// Forgets what the ids of a Worker stand for, since its code is replaced.
    pub(crate) fn forget_code(&self, owner: &WorkerId) {
        if let Some(made) = self.lock().get_mut(owner) {
            made.slots.clear();
        }
    }

    /// Takes a Worker out, with those that it has made.
    pub(crate) fn undeploy(&self, worker: &WorkerId) {
        let made = self.lock().remove(worker);
        for (dynamic, _) in made.into_iter().flat_map(|made| made.kept) {
            self.registry.remove(&dynamic);
        }
        self.registry.remove(worker);
    }

    /// Looks for the dynamic Worker of an id. While one call makes it, others that
    /// ask for it wait.
    pub(super) async fn find(
        &self,
        owner: &WorkerId,
        binding: &str,
        id: &str,
    ) -> Result<Lookup, CallFailed> {
        let key = (binding.to_owned(), id.to_owned());
        let slot = self.slot(owner, key).lock_owned().await;
        match &*slot {
            Some(Ok(worker)) if self.registry.find(worker).is_some() => {
                self.used(owner, worker);
                Ok(Lookup::Made(worker.clone()))
            }
            Some(Err(failed)) => Err(failed.clone()),
            // None yet, or not any more.
            Some(Ok(_)) | None => Ok(Lookup::Vacant(slot)),
        }
    }

    /// Makes a dynamic Worker for the Worker of `caller`.
    pub(super) async fn make(
        &self,
        caller: &Invocation,
        plan: Plan,
    ) -> Result<WorkerId, CallFailed> {
        let owner = &caller.worker.id;
        let bytes = plan.bytes();
        let code = self.code(caller, plan.modules).await?;
        let share = Arc::clone(&caller.worker.share);
        let id = WorkerId::new_dynamic(owner);
        let registry = &self.registry;
        registry.deploy(registry.worker(id.clone(), plan.settings, code, Some(share)));
        for evicted in self.made(owner, &id, bytes) {
            self.undeploy(&evicted);
        }
        if registry.find(owner).is_none() {
            // The caller is the last of its Worker: no one else would let go what it
            // makes.
            self.undeploy(owner);
        }
        Ok(id)
    }

    async fn code(&self, caller: &Invocation, mut modules: Modules) -> Result<Code, CallFailed> {
        let bytes: usize = modules.modules.values().map(Module::size).sum();
        if bytes > CODE_BYTES {
            return Err(CallFailed::new(format!(
                "The modules have {bytes} bytes; a dynamic Worker has {CODE_BYTES} at most."
            )));
        }
        let _charge = caller.charged(caller.host_memory().charge(bytes))?;
        match modules.modules.get_mut(&modules.main) {
            None => Err(CallFailed::new(format!(
                "The main module `{}` is not among `modules`.",
                modules.main
            ))),
            Some(Module::Wasm(component)) => {
                let component = std::mem::take(component);
                let _turn = caller.worker.compiles.lock().await;
                let compiled = self.compiler.measure_untrusted(component).await;
                caller.cpu.charge(compiled.cpu);
                let named =
                    |error| CallFailed::new(format!("`{}` cannot run: {error}", modules.main));
                compiled.result.map_err(named)
            }
            Some(Module::Js(_)) => {
                let Some(scripts) = &self.scripts else {
                    return Err(CallFailed::new(
                        "This runtime loads components only: no bundler was given to it.",
                    ));
                };
                let whom = LoadFor {
                    worker: &caller.worker.id,
                    cpu: caller.cpu.left(),
                };
                let loaded = scripts.load(&self.compiler, modules, whom).await;
                caller.cpu.charge(loaded.cpu);
                match loaded.script {
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
                "The main module `{}` is neither an ES module nor a component.",
                modules.main
            ))),
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<WorkerId, Made>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
