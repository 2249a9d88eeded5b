//! The Workers of one process and the dispatch of events to them.

use crate::component::compiler::Compiler;
use crate::delivery::{Delivery, Queues, TailConsumer};
use crate::error::Error;
use crate::event::Event;
use crate::instance::cdn_loop;
use crate::instance::engine::Engines;
use crate::invocation::body::Reader;
use crate::invocation::ending::Cut;
use crate::invocation::fetch_result::FetchResult;
use crate::invocation::lanes::Lanes;
use crate::invocation::origin::Via;
use crate::places::{INSTANCES, Places};
use crate::platform::Platform;
use crate::platform::alarms::Alarms;
use crate::platform::dispatch::{Dispatched, Namespaces};
use crate::platform::loader::{LoadScript, Loaders};
use crate::script::Script;
use crate::settings::WorkerSettings;
use crate::settings::identity::WorkerId;
use crate::store::Store;
use crate::worker::{Code, Worker};
use http::Request;
use std::path::PathBuf;
use std::sync::{Arc, RwLock};
use taffrail_trace::{Json, Outcome};
use tokio_util::task::TaskTracker;
use wasmtime_wasi_http::WasiBody;

/// Runs Workers and delivers what happened to their Tail Workers.
///
/// A cheap handle: clones share everything. It must be used inside a tokio
/// runtime.
#[derive(Clone)]
pub struct Runtime {
    platform: Arc<Platform>,
}

/// What a [`Runtime`] is made of.
#[derive(Default)]
pub struct Builder {
    cache: Option<PathBuf>,
    consumers: Vec<Arc<dyn TailConsumer>>,
    scripts: Option<Arc<dyn LoadScript>>,
    store: Option<PathBuf>,
    namespaces: Option<Arc<dyn Namespaces>>,
    instances: Option<u32>,
}

impl Builder {
    /// Keeps compiled components in `directory`, which is made if need be.
    /// Without it, every component is compiled anew.
    #[must_use]
    pub fn cache(mut self, directory: impl Into<PathBuf>) -> Self {
        self.cache = Some(directory.into());
        self
    }

    /// Adds a consumer for the items of all Workers.
    #[must_use]
    pub fn tail_consumer(mut self, consumer: Arc<dyn TailConsumer>) -> Self {
        self.consumers.push(consumer);
        self
    }

    /// Has `scripts` make scripts of the modules that Workers load. Without it
    /// they can load components only.
    #[must_use]
    pub fn scripts(mut self, scripts: Arc<dyn LoadScript>) -> Self {
        self.scripts = Some(scripts);
        self
    }

    /// Has `namespaces` find the Workers of dispatch namespaces. Without it
    /// there are none.
    #[must_use]
    pub fn namespaces(mut self, namespaces: Arc<dyn Namespaces>) -> Self {
        self.namespaces = Some(namespaces);
        self
    }

    /// Keeps what Workers store in `directory`, which is made when the first of
    /// them does. Without it, it is in memory and ends with the runtime.
    #[must_use]
    pub fn store(mut self, directory: impl Into<PathBuf>) -> Self {
        self.store = Some(directory.into());
        self
    }

    /// Has room for so many instances at a time, 1,000 if this is not called.
    /// Each reserves some 8 GiB of address space. There are 64 more for tail
    /// events.
    #[must_use]
    pub fn instances(mut self, instances: u32) -> Self {
        self.instances = Some(instances);
        self
    }

    /// Starts the runtime.
    ///
    /// # Errors
    ///
    /// When the cache cannot be used or the system has no room for the pool
    /// of instances.
    pub fn build(self) -> Result<Runtime, Error> {
        let tracker = TaskTracker::new();
        tracker.close();
        let lanes = Arc::new(Lanes::new()?);
        let store = Store::new(self.store)?;
        let alarms = Alarms::new(store.storage());
        let instances = self.instances.unwrap_or(INSTANCES);
        Ok(Runtime {
            platform: Arc::new(Platform {
                compiler: Compiler::new(Engines::new(self.cache.as_deref(), instances)?)?,
                queues: Queues::new(tracker.clone(), lanes.tail_lane.clone()),
                lanes,
                places: Arc::new(Places::new(instances)),
                consumers: self.consumers.into(),
                tracker,
                scripts: self.scripts,
                loaders: Loaders::default(),
                namespaces: self.namespaces,
                dispatched: Dispatched::default(),
                store,
                alarms,
                workers: RwLock::default(),
            }),
        })
    }
}

impl Runtime {
    /// Begins the making of a runtime.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// What compiles the components that run in it.
    #[must_use]
    pub fn compiler(&self) -> &Compiler {
        &self.platform.compiler
    }

    /// Puts a Worker in place, or in the place of an earlier one of the same
    /// name. Invocations that run already go on with the earlier code.
    ///
    /// A tail consumer may be deployed later than the Workers that name it.
    ///
    /// # Errors
    ///
    /// When its tail consumers lead back to it over other Workers. A Worker
    /// that only names itself is fine: its own tail invocations are not told
    /// to it.
    pub fn deploy(&self, settings: WorkerSettings, code: Code) -> Result<(), Error> {
        let id = WorkerId::from(settings.name.as_str());
        self.put(self.platform.worker(id, settings, code, None))
    }

    /// Evaluates a script and deploys it as [`deploy`](Self::deploy) does.
    /// Deployed without this, a script is evaluated for its first event.
    ///
    /// # Errors
    ///
    /// Those of [`deploy`](Self::deploy), and when the script fails: the kind
    /// is [`ErrorKind::Script`](crate::ErrorKind::Script), the text the
    /// exception with its stack.
    pub async fn deploy_script(
        &self,
        settings: WorkerSettings,
        script: Script,
    ) -> Result<(), Error> {
        let id = WorkerId::from(settings.name.as_str());
        let worker = self
            .platform
            .worker(id, settings, Code::Script(script), None);
        worker.start_script().await?;
        self.put(worker)
    }

    fn put(&self, worker: Arc<Worker>) -> Result<(), Error> {
        let settings = &worker.context.settings;
        let id = worker.context.id.clone();
        let mut workers = self.platform.write();
        let tails_of = |worker: &WorkerId| -> Vec<WorkerId> {
            let settings = match workers.get(worker) {
                _ if *worker == id => settings,
                Some(worker) => &worker.context.settings,
                None => return Vec::new(),
            };
            let tails = settings.tail_consumers.iter();
            tails.map(|tail| tail.worker.clone()).collect()
        };
        if let Some(cycle) = tail_cycle(&id, &tails_of) {
            let cycle: Vec<_> = cycle.iter().map(ToString::to_string).collect();
            return Err(Error::settings(format!(
                "the tail consumers form a cycle: {}. Every item would cause another one without end",
                cycle.join(" -> ")
            )));
        }
        self.platform.loaders.forget_code(&id);
        let has_objects = worker.context.settings.has_objects(&id);
        workers.insert(id.clone(), worker);
        drop(workers);
        if has_objects {
            self.platform.ring_alarms(&id);
        }
        Ok(())
    }

    /// Dispatches a fetch event. The URI of `request` is absolute. `cf` is
    /// what the platform knows about the connection, a JSON object.
    ///
    /// Dropping the future, or the response body before its end, says that the
    /// client is gone: the guest is stopped.
    ///
    /// # Errors
    ///
    /// When there is no Worker of that name.
    pub async fn fetch(
        &self,
        worker: &str,
        request: Request<WasiBody>,
        cf: Option<Json>,
    ) -> Result<FetchResult, Error> {
        let worker = self.find(worker)?;
        let depth = cdn_loop::depth(request.headers());
        let via = Via {
            depth: depth.claimed,
            claimed: depth.claimed - depth.known,
            ..Via::default()
        };
        Ok(worker.fetch(request, cf, via, Reader::Client).await)
    }

    /// Dispatches an event that no client waits for, and tells how it ended.
    ///
    /// # Errors
    ///
    /// When there is no Worker of that name.
    pub async fn dispatch(&self, worker: &str, event: Event) -> Result<Outcome, Error> {
        Ok(self.find(worker)?.dispatch(event, Via::default()).await.0)
    }

    /// Stops a Worker: ends its invocations and refuses further ones, all with
    /// the outcome `killSwitch`, until it is [started](Self::start) or deployed
    /// again.
    ///
    /// # Errors
    ///
    /// When there is no Worker of that name.
    pub fn stop(&self, worker: &str) -> Result<(), Error> {
        self.find(worker)?.stop();
        Ok(())
    }

    /// Lets a Worker that was [stopped](Self::stop) run again.
    ///
    /// # Errors
    ///
    /// When there is no Worker of that name.
    pub fn start(&self, worker: &str) -> Result<(), Error> {
        self.find(worker)?.start();
        Ok(())
    }

    /// Ends all invocations that run, with the outcome `aborted`. Their items
    /// are delivered as ever.
    pub fn abort(&self) {
        for worker in self.platform.all() {
            worker.context.running.cut(Cut::Aborted);
        }
    }

    /// Waits until no invocation runs and every item has been delivered, to
    /// Tail Workers of Tail Workers too.
    pub async fn idle(&self) {
        self.platform.tracker.wait().await;
    }

    /// How many invocations run and items wait at this moment.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.platform.tracker.len()
    }

    /// What became of the items for each tail consumer so far: the native ones
    /// that have a [`Ledger`](crate::Ledger), then the Tail Workers by name.
    #[must_use]
    pub fn deliveries(&self) -> Vec<Delivery> {
        let native = self.platform.consumers.iter();
        let native = native.filter_map(|consumer| Some(consumer.ledger()?.delivery()));
        native.chain(self.platform.queues.deliveries()).collect()
    }

    /// Lets no further call of a Tail Worker begin: the items that wait count as
    /// lost, and later ones, too. Calls that run go on.
    pub fn close_tails(&self) {
        self.platform.queues.close();
    }

    fn find(&self, name: &str) -> Result<Arc<Worker>, Error> {
        self.platform
            .find(&WorkerId::from(name))
            .ok_or_else(|| Error::settings(format!("no Worker `{name}` is deployed")))
    }
}

/// Finds a way from `start` back to it along tail consumers that touches at
/// least one other Worker.
///
/// `tails_of` gives a Worker's tail consumers.
pub fn tail_cycle(
    start: &WorkerId,
    tails_of: &impl Fn(&WorkerId) -> Vec<WorkerId>,
) -> Option<Vec<WorkerId>> {
    let mut path = vec![start.clone()];
    let mut seen = Vec::new();
    walk(&mut path, &mut seen, tails_of).then_some(path)
}

fn walk(
    path: &mut Vec<WorkerId>,
    seen: &mut Vec<WorkerId>,
    tails_of: &impl Fn(&WorkerId) -> Vec<WorkerId>,
) -> bool {
    let here = path[path.len() - 1].clone();
    for tail in tails_of(&here) {
        if tail == path[0] && path.len() > 1 {
            path.push(tail);
            return true;
        }
        if tail == here || seen.contains(&tail) {
            continue;
        }
        seen.push(tail.clone());
        path.push(tail);
        if walk(path, seen, tails_of) {
            return true;
        }
        path.pop();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cycle(edges: &[(&str, &[&str])], start: &str) -> Option<String> {
        let tails_of = |worker: &WorkerId| {
            edges
                .iter()
                .find(|(name, _)| worker.deployed_name() == Some(name))
                .map(|(_, tails)| tails.iter().map(|tail| WorkerId::from(*tail)).collect())
                .unwrap_or_default()
        };
        let path = tail_cycle(&start.into(), &tails_of)?;
        let names: Vec<_> = path.iter().map(ToString::to_string).collect();
        Some(names.join(" -> "))
    }

    #[test]
    fn a_cycle_is_found_and_named() {
        let found = cycle(&[("a", &["log", "b"]), ("b", &["c"]), ("c", &["a"])], "a");
        assert_eq!(found.unwrap(), "a -> b -> c -> a");
    }

    #[test]
    fn a_worker_may_tail_itself_and_two_may_share_a_tail() {
        assert_eq!(cycle(&[("a", &["a"])], "a"), None);
        assert_eq!(cycle(&[("a", &["b", "c"]), ("b", &["c"])], "a"), None);
    }

    #[test]
    fn a_cycle_further_on_is_not_a_cycle_of_the_start() {
        assert_eq!(
            cycle(&[("a", &["b"]), ("b", &["c"]), ("c", &["b"])], "a"),
            None
        );
    }
}
