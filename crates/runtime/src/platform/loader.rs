//! The worker loader: dynamic Workers, which other Workers make at run time.

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

/// Bundles modules into scripts. This requires a bundler and an engine.
pub trait ModuleBundler: Send + Sync + 'static {
    /// Bundles `modules` into a script that runs in an engine compiled by `compiler`. Dropping
    /// the future stops the work.
    fn load<'a>(
        &'a self,
        compiler: &'a Compiler,
        modules: Modules,
        load_for: LoadFor<'a>,
    ) -> BoxFuture<'a, Loaded>;
}

/// The invocation that requests a script.
#[derive(Clone, Copy, Debug)]
pub struct LoadFor<'a> {
    /// The Worker that requests it, which has a fair share of the bundler.
    pub worker: &'a WorkerId,
    /// The remaining CPU time of its invocation.
    pub cpu: Duration,
}

/// The result of bundling a script.
pub struct Loaded {
    /// The script, or the reason for the failure.
    pub script: Result<Script, LoadError>,
    /// The CPU time that was used on other threads. It is charged to the requesting invocation.
    pub cpu: Duration,
}

impl Loaded {
    /// Returns a failure that took no CPU time.
    #[must_use]
    pub fn failed(error: LoadError) -> Self {
        Self {
            script: Err(error),
            cpu: Duration::ZERO,
        }
    }
}

/// Why modules cannot be bundled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoadError {
    /// A module is invalid. Carries the exception that a JavaScript engine would throw.
    Module {
        /// The name of the exception.
        name: String,
        /// The message of the exception.
        message: String,
        /// The stack frames, one on each line.
        stack: Option<String>,
    },
    /// Bundling exceeds a limit, or the host failed.
    Host(String),
}

/// Dynamic Workers that are kept for one Worker. The least recently used one is dropped first,
/// and made again when it is requested.
const KEPT: NonZeroUsize = NonZeroUsize::new(128).expect("it is not 0");

/// The total code size of the dynamic Workers that are kept for one Worker: that of four of the
/// largest.
const KEPT_BYTES: usize = 4 * CODE_BYTES;

/// Ids that are remembered for one Worker, including those whose Worker failed.
const IDS: NonZeroUsize = NonZeroUsize::new(1024).expect("it is not 0");

/// The limit for the modules of one Worker, in bytes. Cloudflare's limit on paid plans, before
/// compression.
const CODE_BYTES: usize = 64 << 20;

/// The dynamic Workers of a runtime, by the Workers that made them.
pub(crate) struct Loaders {
    registry: Arc<Registry>,
    compiler: Compiler,
    /// `None` in a runtime that loads only components.
    scripts: Option<Arc<dyn ModuleBundler>>,
    made: Mutex<HashMap<WorkerId, Made>>,
}

/// The dynamic Workers of one Worker.
struct Made {
    slots: LruCache<Key, Slot>,
    /// With the size of their code.
    kept: LruCache<WorkerId, usize>,
}

/// The name of the binding, and the id that the Worker uses.
type Key = (String, String);

/// The dynamic Worker of an id, or the reason why it cannot run. `None` until it has been made.
/// The call that makes it holds the lock.
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

    /// Records that a dynamic Worker is in use.
    fn used(&self, owner: &WorkerId, worker: &WorkerId) {
        if let Some(made) = self.lock().get_mut(owner) {
            made.kept.promote(worker);
        }
    }

    /// Records that a dynamic Worker was made, and returns those that must be dropped for it.
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

    /// Forgets the dynamic Workers of all ids, since the code of their maker is replaced.
    pub(crate) fn forget_code(&self, owner: &WorkerId) {
        if let Some(made) = self.lock().get_mut(owner) {
            made.slots.clear();
        }
    }

    /// Removes a Worker together with its dynamic Workers.
    pub(crate) fn undeploy(&self, worker: &WorkerId) {
        let made = self.lock().remove(worker);
        for (dynamic, _) in made.into_iter().flat_map(|made| made.kept) {
            self.registry.remove(&dynamic);
        }
        self.registry.remove(worker);
    }

    /// Looks up the dynamic Worker of an id. While one call makes it, others that request it
    /// wait.
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
            // Not made yet, or already dropped.
            Some(Ok(_)) | None => Ok(Lookup::Vacant(slot)),
        }
    }

    /// Makes a dynamic Worker on behalf of `caller`.
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
            // The Worker was removed while this invocation, its last, was running. Nothing else
            // would remove the new Worker.
            self.undeploy(owner);
        }
        Ok(id)
    }

    async fn code(&self, caller: &Invocation, mut modules: Modules) -> Result<Code, CallFailed> {
        let bytes: usize = modules.modules.values().map(Module::size).sum();
        if bytes > CODE_BYTES {
            return Err(CallFailed::new(format!(
                "The modules have {bytes} bytes, but a dynamic Worker may have at most {CODE_BYTES}."
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
                        "This runtime loads only components: it has no bundler.",
                    ));
                };
                let load_for = LoadFor {
                    worker: &caller.worker.id,
                    cpu: caller.cpu.left(),
                };
                let loaded = scripts.load(&self.compiler, modules, load_for).await;
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
