//! The interface for embedders: deploys Workers and dispatches events to them.

use crate::channels::network::Network;
use crate::channels::queries::Queries;
use crate::delivery::{self, Delivery, Meter, Queues, TailConsumer};
use crate::error::Error;
use crate::event::Event;
use crate::instance::{cdn_loop, trace_context};
use crate::invocation::body::Reader;
use crate::invocation::ending::Cut;
use crate::invocation::fetch_result::FetchResult;
use crate::invocation::lanes::Lanes;
use crate::invocation::origin::Origin;
use crate::places::{INSTANCES, Instances, Places};
use crate::platform::Platform;
use crate::platform::alarms::Alarms;
use crate::platform::compiler::Compiler;
use crate::platform::loader::{Loaders, ModuleBundler};
use crate::platform::namespaces::{Namespaces, UserWorkers};
use crate::platform::registry::Registry;
use crate::script::Script;
use crate::settings::identity::WorkerId;
use crate::settings::{DEPTH, Target, WorkerSettings};
use crate::worker::{Code, Worker};
use http::Request;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, RwLock};
use taffrail_store::Store;
use taffrail_trace::{Json, Outcome, TraceItem};
use tokio_util::task::TaskTracker;
use wasmtime_wasi_http::WasiBody;

/// Runs Workers and delivers their trace items to Tail Workers.
///
/// A cheap handle: clones share everything. It must be used inside a tokio
/// runtime.
#[derive(Clone)]
pub struct Runtime {
    pub(crate) platform: Arc<Platform>,
}

/// Configures and starts a [`Runtime`].
#[derive(Default)]
pub struct Builder {
    cache: Option<PathBuf>,
    consumers: Vec<Arc<dyn TailConsumer>>,
    meter: Option<Arc<dyn Meter>>,
    scripts: Option<Arc<dyn ModuleBundler>>,
    store: Option<PathBuf>,
    namespaces: Option<Arc<dyn Namespaces>>,
    network: Option<Arc<dyn Network>>,
    queries: Option<Arc<dyn Queries>>,
    unreachable: Vec<SocketAddr>,
    compiler: Option<Compiler>,
    instances: Option<u32>,
    continues_traces: bool,
}

impl Builder {
    /// Keeps compiled components in `directory`, which is created if necessary. Without a cache,
    /// every component is compiled again.
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

    /// Measures the invocations of all Workers.
    #[must_use]
    pub fn meter(mut self, meter: Arc<dyn Meter>) -> Self {
        self.meter = Some(meter);
        self
    }

    /// Sets the bundler for the modules that Workers load. Without one, Workers can load only
    /// components.
    #[must_use]
    pub fn scripts(mut self, scripts: Arc<dyn ModuleBundler>) -> Self {
        self.scripts = Some(scripts);
        self
    }

    /// Sets the source of dispatch namespaces. Without one, there are none.
    #[must_use]
    pub fn namespaces(mut self, namespaces: Arc<dyn Namespaces>) -> Self {
        self.namespaces = Some(namespaces);
        self
    }

    /// Sends the requests of Workers through `network`. Without it, the runtime opens
    /// connections itself.
    #[must_use]
    pub fn network(mut self, network: Arc<dyn Network>) -> Self {
        self.network = Some(network);
        self
    }

    /// Sets what answers the queries of Workers with [`Binding::AnalyticsSql`](crate::Binding).
    /// Without it, they fail.
    #[must_use]
    pub fn queries(mut self, queries: Arc<dyn Queries>) -> Self {
        self.queries = Some(queries);
        self
    }

    /// Refuses the requests of all Workers to `address`, whatever name of it they use. This is for
    /// an address at which the embedder itself is controlled. A [`Network`] is not affected.
    #[must_use]
    pub fn unreachable(mut self, address: SocketAddr) -> Self {
        self.unreachable.push(address);
        self
    }

    /// Sets whether a request with a `traceparent` continues the trace that it names, as W3C's
    /// Trace Context says. The default is false: then each request from outside begins a trace,
    /// as on Cloudflare, and no client decides which traces are recorded.
    #[must_use]
    pub fn continue_traces(mut self, yes: bool) -> Self {
        self.continues_traces = yes;
        self
    }

    /// Shares `compiler` with other runtimes: the code that it compiles runs in each of
    /// them. Its cache replaces [`cache`](Self::cache), and all of these runtimes share its
    /// pool of instances.
    #[must_use]
    pub fn compiler(mut self, compiler: Compiler) -> Self {
        self.compiler = Some(compiler);
        self
    }

    /// Keeps the data of Workers in `directory`, which is created when the first data is written.
    /// Without a directory, data is kept in memory and lost with the runtime.
    #[must_use]
    pub fn store(mut self, directory: impl Into<PathBuf>) -> Self {
        self.store = Some(directory.into());
        self
    }

    /// Sets the number of instances that may exist at a time. The default is 1,000. Each reserves
    /// some 4 GiB of address space, and as much again once there is a component for WASI 0.3.
    /// Another 64 are reserved for tail events.
    #[must_use]
    pub fn instances(mut self, instances: u32) -> Self {
        self.instances = Some(instances);
        self
    }

    /// Starts the runtime.
    ///
    /// # Errors
    ///
    /// Fails if the cache cannot be used or the system has no room for the pool of instances.
    pub fn build(self) -> Result<Runtime, Error> {
        let tracker = TaskTracker::new();
        tracker.close();
        let lanes = Arc::new(Lanes::new()?);
        let store = Store::new(self.store).map_err(|error| {
            Error::host(format!("the threads of the store cannot start: {error}"))
        })?;
        let instances = self.instances.unwrap_or(INSTANCES);
        let compiler = match self.compiler {
            Some(compiler) => compiler,
            None => Compiler::new(self.cache.as_deref(), instances)?,
        };
        let queues = Queues::new(tracker.clone(), lanes.tail_lane.clone());
        let platform = Arc::new_cyclic(|platform| {
            let registry = Arc::new(Registry {
                lanes,
                places: Arc::new(Places::new(instances)),
                consumers: self.consumers.into(),
                meter: self.meter,
                tracker,
                store,
                queues,
                channels: Platform::make_channels(
                    platform,
                    self.network.clone(),
                    self.queries,
                    self.unreachable.into(),
                ),
                workers: RwLock::default(),
            });
            let loaders = Loaders::new(&registry, &compiler, self.scripts);
            let loaders = Arc::new(loaders);
            let users = UserWorkers::new(&registry, &loaders, &compiler, self.namespaces);
            let users = Arc::new(users);
            Platform {
                alarms: Arc::new(Alarms::new(&registry, &users)),
                registry,
                compiler,
                loaders,
                users,
                continues_traces: self.continues_traces,
            }
        });
        Ok(Runtime { platform })
    }
}

impl Runtime {
    /// Returns a builder for a runtime.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Returns the compiler for components that run in this runtime.
    #[must_use]
    pub fn compiler(&self) -> &Compiler {
        &self.platform.compiler
    }

    /// Deploys a Worker, or replaces an earlier one of the same name. Running invocations
    /// continue with the earlier code.
    ///
    /// A tail consumer may be deployed later than the Workers that name it.
    ///
    /// # Errors
    ///
    /// Fails if its tail consumers form a cycle. A Worker may name itself: it does not receive
    /// the items of its own tail events.
    pub fn deploy(&self, settings: WorkerSettings, code: Code) -> Result<(), Error> {
        let id = WorkerId::from(settings.name.as_str());
        let worker = self.platform.registry.worker(id, settings, code, None);
        self.platform.deploy(worker)
    }

    /// Evaluates a script and deploys it like [`deploy`](Self::deploy). Otherwise a script is
    /// evaluated for its first event.
    ///
    /// Returns the events that the script handles, by the names of its handlers, which are the
    /// methods if it exports a class. Returns `None` if its engine, which may be built into it,
    /// does not tell.
    ///
    /// # Errors
    ///
    /// As for [`deploy`](Self::deploy), and if the script fails: the kind is then
    /// [`ErrorKind::Script`](crate::ErrorKind::Script), and the text is the exception with its
    /// stack.
    pub async fn deploy_script(
        &self,
        settings: WorkerSettings,
        script: Script,
    ) -> Result<Option<Vec<String>>, Error> {
        let id = WorkerId::from(settings.name.as_str());
        let registry = &self.platform.registry;
        let worker = registry.worker(id, settings, Code::Script(script), None);
        let handlers = worker.start_script().await?;
        self.platform.deploy(worker)?;
        Ok(handlers)
    }

    /// Dispatches a fetch event. The URI of `request` must be absolute. `cf` is a JSON object
    /// with the `request.cf` properties.
    ///
    /// Dropping the future, or the response body before its end, signals that the client has
    /// disconnected. The guest is then stopped.
    ///
    /// # Errors
    ///
    /// Fails if no Worker of that name is deployed: the kind is
    /// [`ErrorKind::NotDeployed`](crate::ErrorKind::NotDeployed).
    pub async fn fetch(
        &self,
        worker: &str,
        request: Request<WasiBody>,
        cf: Option<Json>,
    ) -> Result<FetchResult, Error> {
        let worker = self.find(worker)?;
        let depth = cdn_loop::depth(request.headers());
        let origin = Origin {
            depth: depth.claimed,
            claimed: depth.claimed - depth.known,
            trace: self
                .platform
                .continues_traces
                .then(|| trace_context::extract(request.headers()))
                .flatten(),
            ..Origin::default()
        };
        Ok(worker.fetch(request, cf, origin, Reader::Client).await)
    }

    /// Dispatches an event that has no client, and returns the outcome.
    ///
    /// # Errors
    ///
    /// Fails if no Worker of that name is deployed: the kind is
    /// [`ErrorKind::NotDeployed`](crate::ErrorKind::NotDeployed).
    pub async fn dispatch(&self, worker: &str, event: Event) -> Result<Outcome, Error> {
        Ok(self
            .find(worker)?
            .dispatch(event, Origin::default())
            .await
            .0)
    }

    /// Runs a tail event with these items. Returns whether it ended well: with the outcome `ok`
    /// and without an exception. For consumers that deliver items at a time of their own; Workers
    /// have their [`tail_consumers`](crate::WorkerSettings::tail_consumers).
    ///
    /// # Errors
    ///
    /// Fails if the Tail Worker is not deployed, with the kind
    /// [`ErrorKind::NotDeployed`](crate::ErrorKind::NotDeployed), and if the items are the end of a
    /// chain of 32 calls and tails, with the kind [`ErrorKind::Loop`](crate::ErrorKind::Loop).
    pub async fn tail(&self, tail: &Target, items: Vec<Arc<TraceItem>>) -> Result<bool, Error> {
        let depth = delivery::depth(&items);
        let name = tail.worker.to_string();
        if depth > DEPTH {
            return Err(Error::too_deep(&name, DEPTH));
        }
        let worker = self.platform.registry.find(&tail.worker);
        let worker = worker.ok_or_else(|| Error::not_deployed(&name))?;
        let origin = Origin {
            target: Some(Arc::new(tail.clone())),
            depth,
            ..Origin::default()
        };
        let invocation = worker.handle(Event::Tail(items), origin).await;
        Ok(invocation.has_succeeded())
    }

    /// Delivers an item to the consumers of the Worker that it names. For invocations that an
    /// earlier process did not end.
    ///
    /// # Errors
    ///
    /// Fails if that Worker is not deployed: the kind is
    /// [`ErrorKind::NotDeployed`](crate::ErrorKind::NotDeployed).
    pub fn deliver(&self, item: TraceItem) -> Result<(), Error> {
        let name = item.script.script_name.as_deref().unwrap_or_default();
        let worker = self.find(name)?;
        worker.context.consumers.deliver(item, None, None);
        Ok(())
    }

    /// Stops a Worker: ends its invocations and refuses further ones, all with the outcome
    /// `killSwitch`, until it is [started](Self::start) or deployed again.
    ///
    /// # Errors
    ///
    /// Fails if no Worker of that name is deployed: the kind is
    /// [`ErrorKind::NotDeployed`](crate::ErrorKind::NotDeployed).
    pub fn stop(&self, worker: &str) -> Result<(), Error> {
        self.find(worker)?.stop();
        Ok(())
    }

    /// Returns the names of the deployed Workers, in no particular order.
    #[must_use]
    pub fn workers(&self) -> Vec<String> {
        let workers = self.platform.registry.all().into_iter();
        workers
            .filter_map(|worker| worker.context.id.deployed_name().map(ToOwned::to_owned))
            .collect()
    }

    /// Allows a [stopped](Self::stop) Worker to run again.
    ///
    /// # Errors
    ///
    /// Fails if no Worker of that name is deployed: the kind is
    /// [`ErrorKind::NotDeployed`](crate::ErrorKind::NotDeployed).
    pub fn start(&self, worker: &str) -> Result<(), Error> {
        self.find(worker)?.start();
        Ok(())
    }

    /// Ends all running invocations with the outcome `aborted`. Their items are still delivered.
    pub fn abort(&self) {
        for worker in self.platform.registry.all() {
            worker.context.running.cut(Cut::Aborted);
        }
    }

    /// Waits until no invocation runs and every item has been delivered, including the items of
    /// Tail Workers.
    pub async fn idle(&self) {
        self.platform.registry.tracker.wait().await;
    }

    /// Returns how many invocations are running and items are waiting.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.platform.registry.tracker.len()
    }

    /// Returns how many instances there are at the moment.
    #[must_use]
    pub fn instances(&self) -> Instances {
        self.platform.registry.places.counts()
    }

    /// Returns the counts of items for each tail consumer: the native ones that have a
    /// [`Ledger`](crate::Ledger), then the Tail Workers by name.
    #[must_use]
    pub fn deliveries(&self) -> Vec<Delivery> {
        let native = self.platform.registry.consumers.iter();
        let ledgers = native.flat_map(|consumer| consumer.ledgers());
        ledgers
            .map(|ledger| ledger.delivery())
            .chain(self.platform.registry.queues.deliveries())
            .collect()
    }

    /// Stops further calls of Tail Workers. Items that wait, or come later, count as lost.
    /// Running calls continue.
    pub fn close_tails(&self) {
        self.platform.registry.queues.close();
    }

    fn find(&self, name: &str) -> Result<Arc<Worker>, Error> {
        self.platform
            .registry
            .find(&WorkerId::from(name))
            .ok_or_else(|| Error::not_deployed(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::invocation::Invocation;
    use crate::invocation::ending::Response;
    use crate::places::Rank;
    use std::cell::Cell;
    use std::sync::Mutex;
    use taffrail_trace::EventInfo;

    /// A consumer that ignores what it receives.
    struct Ignore {
        listens: bool,
    }

    impl TailConsumer for Ignore {
        fn deliver(&self, _: &Arc<TraceItem>) {}

        fn listens(&self) -> bool {
            self.listens
        }
    }

    /// A meter that keeps what it is told.
    #[derive(Default)]
    struct Measured(Mutex<Vec<(String, Outcome)>>);

    impl Meter for Measured {
        fn ended(&self, worker: &WorkerId, measured: delivery::Measured) {
            let measured = (worker.to_string(), measured.outcome);
            self.0.lock().unwrap().push(measured);
        }
    }

    #[tokio::test]
    async fn an_invocation_is_measured_without_a_record() {
        let meter = Arc::new(Measured::default());
        assert!(!is_recorded(Runtime::builder().meter(meter.clone())));
        let measured = meter.0.lock().unwrap().clone();
        assert_eq!(measured, [("w".to_owned(), Outcome::Canceled)]);
    }

    /// Whether an event of a Worker is made into a record.
    fn is_recorded(builder: Builder) -> bool {
        let runtime = builder.instances(1).build().expect("it starts");
        let settings = WorkerSettings::new("w");
        let code = Code::Missing("it has none".to_owned());
        let worker = (runtime.platform.registry).worker("w".into(), settings, code, None);
        let asked = Cell::new(false);
        let event = || {
            asked.set(true);
            EventInfo::Custom {}
        };
        let origin = Origin::default();
        drop(Invocation::start(
            &worker.context,
            origin,
            Rank::Producer,
            Response::Unset,
            event,
        ));
        asked.get()
    }

    #[tokio::test]
    async fn an_event_whose_item_has_no_consumer_is_not_made_into_a_record() {
        assert!(!is_recorded(Runtime::builder()));
        assert!(!is_recorded(
            Runtime::builder().meter(Arc::new(Measured::default()))
        ));
        let consumer = |listens| Runtime::builder().tail_consumer(Arc::new(Ignore { listens }));
        assert!(!is_recorded(consumer(false)));
        assert!(is_recorded(consumer(true)));
    }
}
