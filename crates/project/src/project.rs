//! The Workers of one run, and the runtime that they are deployed to.

use crate::build_command;
use crate::claim::Claim;
use crate::component;
use crate::config::{MainKind, WorkerConfig};
use crate::error::{Error, Result};
use crate::javascript::JavaScript;
use crate::logs::Logs;
use crate::main_file::{self, Kind, Main};
use crate::namespaces::UserWorkers;
use crate::onsets::Onsets;
use crate::otlp::{self, Otlp};
use crate::progress::{Progress, Step, during};
use crate::queries::Queries;
use crate::settings::settings;
use crate::sources::SourceBuilder;
use crate::tools::{Tools, components};
use bytes::Bytes;
use std::collections::HashMap;
use std::path::PathBuf;
use std::slice;
use std::sync::{Arc, Mutex, PoisonError};
use taffrail_javascript::Boundary;
use taffrail_otlp::{Exporter, Measures};
use taffrail_runtime::{
    Binding, Code, Component, Inspection, Runtime, TailBatch, Target, WorkerSettings,
};
use tokio_util::task::AbortOnDropHandle;

/// Deploys configured Workers to a runtime.
pub struct Project {
    runtime: Runtime,
    javascript: Arc<JavaScript>,
    sources: SourceBuilder,
    progress: Arc<dyn Progress>,
    /// The directory for the data of Workers.
    store: Option<PathBuf>,
    /// Taken when a Worker that keeps data is deployed.
    claim: Mutex<Option<Claim>>,
    logs: Arc<Logs>,
    onsets: Arc<Onsets>,
    /// The consumer that exports items, and what sends them.
    otlp: Option<(Arc<Otlp>, Arc<Exporter>)>,
    /// The deliveries to durable Tail Workers, by their keys.
    durable: Mutex<HashMap<String, AbortOnDropHandle<()>>>,
}

/// Configures and starts a [`Project`].
#[must_use]
pub struct Builder {
    cache: PathBuf,
    tools: Option<Tools>,
    runtime: taffrail_runtime::Builder,
    store: Option<PathBuf>,
    env: Option<String>,
    continue_traces: bool,
    progress: Arc<dyn Progress>,
    variables: Option<Variables>,
    measures: Option<Arc<Measures>>,
}

/// Reads an environment variable.
type Variables = Box<dyn Fn(&str) -> Option<String> + Send + Sync>;

impl Builder {
    /// Uses this builder for the runtime, for example one with tail consumers. The project
    /// replaces its cache, store, bundler and namespaces.
    pub fn runtime(mut self, runtime: taffrail_runtime::Builder) -> Self {
        self.runtime = runtime;
        self
    }

    /// Compiles and bundles with `tools`, which several projects may share and which have a
    /// cache of their own.
    pub fn tools(mut self, tools: Tools) -> Self {
        self.tools = Some(tools);
        self
    }

    /// Keeps the data of Workers in `directory`, which only one process at a time may use.
    /// Without a directory, the data is kept in memory.
    pub fn store(mut self, directory: impl Into<PathBuf>) -> Self {
        self.store = Some(directory.into());
        self
    }

    /// Sets the environment for the configurations of user Workers. The given Workers have
    /// already been read for an environment.
    pub fn env(mut self, env: Option<String>) -> Self {
        self.env = env;
        self
    }

    /// Sets whether requests continue the traces that they name, unless the configuration of the
    /// first Worker says. The default is false.
    pub fn continue_traces(mut self, yes: bool) -> Self {
        self.continue_traces = yes;
        self
    }

    /// Reports progress to `progress`.
    pub fn progress(mut self, progress: Arc<dyn Progress>) -> Self {
        self.progress = progress;
        self
    }

    /// Exports telemetry to an OpenTelemetry collector, if the configuration of a Worker or the
    /// environment names one. `variable` reads a variable of the environment. `measures` is what
    /// the runtime's meter measures. [`build`](Self::build) then has to be called in a tokio
    /// runtime.
    pub fn export(
        mut self,
        measures: Arc<Measures>,
        variable: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        self.variables = Some(Box::new(variable));
        self.measures = Some(measures);
        self
    }

    /// Starts the runtime. User Workers are searched for in the dispatch namespaces of `workers`.
    /// None of `workers` is deployed yet.
    ///
    /// # Errors
    ///
    /// Fails if the runtime cannot start, or if it is not known where telemetry goes.
    pub fn build(self, workers: &[WorkerConfig]) -> Result<Project> {
        let (javascript, runtime) = match self.tools {
            Some(tools) => (tools.javascript, self.runtime.compiler(tools.compiler)),
            None => (
                Arc::new(JavaScript::new(&self.cache, Arc::clone(&self.progress))),
                self.runtime.cache(components(&self.cache)),
            ),
        };
        let users = UserWorkers::new(workers, self.env, Arc::clone(&javascript));
        let logs = Arc::new(Logs::new(self.store.as_ref(), Arc::clone(&self.progress)));
        let onsets = Arc::new(Onsets::new(self.store.as_ref(), Arc::clone(&self.progress)));
        let configured = workers.first().and_then(|first| first.continue_traces);
        let otlp = match &self.variables {
            Some(variables) => Otlp::new(workers, variables)?,
            None => None,
        };
        let runtime = match &otlp {
            Some(otlp) => runtime.tail_consumer(Arc::clone(otlp) as _),
            None => runtime,
        };
        let mut runtime = runtime
            .continue_traces(configured.unwrap_or(self.continue_traces))
            .tail_consumer(Arc::clone(&logs) as _)
            .tail_consumer(Arc::clone(&onsets) as _)
            .scripts(Arc::clone(&javascript) as _)
            .namespaces(Arc::new(users));
        if let Some(store) = &self.store {
            runtime = runtime.store(store).queries(Arc::new(Queries::new(store)));
        }
        let runtime = runtime.build()?;
        let otlp = match otlp {
            Some(otlp) => {
                let exporter = otlp.start(&runtime, self.measures)?;
                Some((otlp, exporter))
            }
            None => None,
        };
        Ok(Project {
            runtime,
            javascript,
            sources: SourceBuilder::new(&self.cache, Arc::clone(&self.progress)),
            progress: self.progress,
            store: self.store,
            claim: Mutex::default(),
            logs,
            onsets,
            otlp,
            durable: Mutex::default(),
        })
    }
}

impl Project {
    /// Returns a builder for a project. Results that take long to produce are kept in `cache`:
    /// the JavaScript engine and compiled code. They are executed without further checks.
    pub fn builder(cache: impl Into<PathBuf>) -> Builder {
        Builder {
            cache: cache.into(),
            tools: None,
            runtime: Runtime::builder(),
            store: None,
            env: None,
            continue_traces: false,
            progress: Arc::new(()),
            variables: None,
            measures: None,
        }
    }

    /// Returns the runtime that the Workers run in.
    #[must_use]
    pub fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// Starts the deliveries to durable Tail Workers.
    fn deliver_to_tails(&self, workers: &[WorkerConfig]) {
        let batch = |tail: &Target| {
            let name = tail.worker.deployed_name();
            let tail = workers
                .iter()
                .find(|worker| Some(worker.name.as_str()) == name);
            tail.map_or_else(TailBatch::default, |tail| tail.tail_batch)
                .items
        };
        let mut running = self.durable.lock().unwrap_or_else(PoisonError::into_inner);
        self.logs
            .deliver_to_tails(&self.runtime, batch, &mut running);
    }

    /// Waits until the items of all invocations that have ended are kept, and delivered to durable
    /// Tail Workers unless a call of one fails.
    pub async fn drain(&self) {
        self.logs.drain().await;
    }

    /// Waits until the items of all invocations that have ended are kept as logs and exported.
    /// Later ones are lost, and counted. To be called last. A collector that does not answer may
    /// delay this for as long as the caller waits.
    pub async fn finish(&self) {
        let exported = async {
            if let Some((_, exporter)) = &self.otlp {
                otlp::finish(exporter).await;
            }
        };
        tokio::join!(self.logs.finish(), exported);
    }

    /// Counts items that are not kept or exported yet as lost. Those for durable Tail Workers are
    /// left to the next process.
    pub fn close(&self) {
        self.logs.close();
        if let Some((otlp, _)) = &self.otlp {
            otlp.close();
        }
    }

    /// Delivers an item for each invocation that an earlier process did not end, of the Workers
    /// that keep their onsets. To be called once all Workers are deployed.
    pub fn deliver_unfinished(&self) {
        self.onsets.deliver_unfinished(&self.runtime);
    }

    /// Builds, compiles and deploys all Workers.
    ///
    /// # Errors
    ///
    /// Fails if one of them cannot be deployed. The Workers before it stay deployed.
    pub async fn deploy_all(&self, workers: &[WorkerConfig]) -> Result<()> {
        for worker in workers {
            self.run_build_command(worker).await?;
            let main = self.load(worker).await?;
            self.deploy(worker, workers, main).await?;
        }
        Ok(())
    }

    /// Runs the `build.command` of a Worker, if it has one.
    ///
    /// # Errors
    ///
    /// Fails if the command fails or cannot be run.
    pub async fn run_build_command(&self, worker: &WorkerConfig) -> Result<()> {
        let Some(build) = &worker.build else {
            return Ok(());
        };
        let step = Step::BuildCommand {
            worker: &worker.name,
            command: &build.command,
        };
        during(&*self.progress, step, build_command::run(worker, build)).await
    }

    /// Reads a component, or a script with all its imports.
    ///
    /// # Errors
    ///
    /// Fails if `main` cannot be read, or if the script cannot be bundled.
    pub async fn load(&self, worker: &WorkerConfig) -> Result<Main> {
        Ok(Main(match MainKind::of(&worker.main) {
            MainKind::Script => {
                let compiler = self.runtime.compiler();
                Kind::Script(Arc::new(self.javascript.bundle(compiler, worker).await?))
            }
            MainKind::Source(language) => {
                let built = self.sources.build(worker, language).await?;
                Kind::Component {
                    bytes: built.component.into(),
                    files: built.files,
                }
            }
            MainKind::Component => main_file::read_component(worker)?,
        }))
    }

    /// Deploys one of the given Workers. The first of them must handle requests; the others may.
    /// Returns the names of the handlers of a script, which are known once it is evaluated.
    ///
    /// # Errors
    ///
    /// Fails if it cannot run, or if another process uses the store. An earlier version of it
    /// stays deployed.
    pub async fn deploy(
        &self,
        worker: &WorkerConfig,
        workers: &[WorkerConfig],
        main: Main,
    ) -> Result<Option<Vec<String>>> {
        self.claim(worker)?;
        let tail_consumers = self.logs.set(worker, workers)?;
        if let Some((otlp, _)) = &self.otlp {
            otlp.set(worker)?;
        }
        self.deliver_to_tails(workers);
        self.onsets.set(&worker.name, worker.onset)?;
        let settings = WorkerSettings {
            tail_consumers,
            ..settings(worker)
        };
        match main.0 {
            Kind::Component { bytes, .. } => {
                let code = self.compile(worker, bytes).await?;
                if let Code::Component(component) = &code {
                    self.check_handlers(worker, workers, component)?;
                }
                self.runtime.deploy(settings, code)?;
                Ok(None)
            }
            Kind::Script(bundle) => {
                let script = self
                    .javascript
                    .script(self.runtime.compiler(), &bundle)
                    .await?;
                let deployed = self.runtime.deploy_script(settings, script).await;
                deployed.map_err(|error| Error::code(cannot_run(worker)).caused_by(error))
            }
        }
    }

    /// What a component is, without compiling it. None is for a script.
    ///
    /// # Errors
    ///
    /// When `main` is no component, or a damaged one.
    pub fn inspect(&self, worker: &WorkerConfig, main: &Main) -> Result<Option<Inspection>> {
        let compiler = self.runtime.compiler();
        let inspected = main
            .component()
            .map(|bytes| compiler.inspect(bytes, &worker.main));
        let inspected = inspected.transpose();
        inspected.map_err(|error| Error::code(cannot_run(worker)).caused_by(error))
    }

    /// Returns the world of a component in WIT. None is for a script.
    ///
    /// # Errors
    ///
    /// Fails if `main` is no component, or a damaged one.
    pub fn wit(&self, worker: &WorkerConfig, main: &Main) -> Result<Option<String>> {
        let wit = main.component().map(taffrail_toolchain::wit_of);
        let wit = wit.transpose();
        wit.map_err(|error| Error::code(format!("{}: {error}", cannot_run(worker))))
    }

    /// Claims the store for this process if the Worker keeps data.
    fn claim(&self, worker: &WorkerConfig) -> Result<()> {
        let mut bindings = worker.bindings.values();
        let keeps = bindings.any(|binding| match binding {
            Binding::Kv(_) | Binding::DurableObject(_) | Binding::AnalyticsEngine(_) => true,
            Binding::Service(_)
            | Binding::Loader
            | Binding::Dispatch(_)
            | Binding::AnalyticsSql => false,
        });
        let mut claim = self.claim.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(store) = &self.store
            && keeps
            && claim.is_none()
        {
            *claim = Some(Claim::new(store)?);
        }
        Ok(())
    }

    /// Builds a component from a Worker's script and the JavaScript engine, or from its source
    /// files. That of a Worker whose `main` is a component is read.
    ///
    /// # Errors
    ///
    /// Fails if the script cannot be bundled or evaluated, or if the component cannot be built or
    /// read.
    pub async fn componentize(&self, worker: &WorkerConfig) -> Result<Vec<u8>> {
        match MainKind::of(&worker.main) {
            MainKind::Script => self.componentize_script(worker).await,
            MainKind::Component | MainKind::Source(_) => {
                let main = self.load(worker).await?;
                Ok(main.component().unwrap_or_default().to_vec())
            }
        }
    }

    async fn componentize_script(&self, worker: &WorkerConfig) -> Result<Vec<u8>> {
        let compiler = self.runtime.compiler();
        let bundle = self.javascript.bundle(compiler, worker).await?;
        let script = Main(Kind::Script(Arc::new(bundle.clone())));
        // Evaluated here first, so that an exception refers to the user's source.
        self.deploy(worker, slice::from_ref(worker), script).await?;
        self.javascript.componentize(worker, bundle).await
    }

    /// Deploys a Worker without code. Its events fail with `reason`.
    ///
    /// # Errors
    ///
    /// Fails if its settings contradict those of other Workers.
    pub fn deploy_missing(&self, worker: &WorkerConfig, reason: String) -> Result<()> {
        Ok(self
            .runtime
            .deploy(settings(worker), Code::Missing(reason))?)
    }

    async fn compile(&self, worker: &WorkerConfig, bytes: Bytes) -> Result<Code> {
        let compiler = self.runtime.compiler();
        let compiled = async {
            let compiled = component::compile(compiler, worker, Boundary::Project, bytes).await;
            compiled.map_err(|error| error.context(cannot_run(worker)))
        };
        let step = Step::Compile {
            worker: &worker.name,
        };
        during(&*self.progress, step, compiled).await
    }

    /// Checks that a component has the handlers that its role requires.
    fn check_handlers(
        &self,
        worker: &WorkerConfig,
        workers: &[WorkerConfig],
        component: &Component,
    ) -> Result<()> {
        let is_first = workers
            .first()
            .is_some_and(|first| first.name == worker.name);
        if is_first && !component.handles_fetch() {
            return Err(Error::code(format!(
                "{}: Worker `{}` is given first, so it should answer requests, but its component exports no `wasi:http` handler; give the Worker that does as the first path",
                worker.path.display(),
                worker.name
            )));
        }
        self.warn_of_missing_tail(worker, workers, component);
        Ok(())
    }

    /// Warns if a Worker that others name as their tail consumer has no tail handler.
    fn warn_of_missing_tail(
        &self,
        worker: &WorkerConfig,
        workers: &[WorkerConfig],
        component: &Component,
    ) {
        let producer = workers.iter().find(|producer| {
            let mut tails = producer.tail_consumers.iter();
            tails.any(|tail| tail.worker.deployed_name() == Some(&worker.name))
        });
        if let Some(producer) = producer
            && !component.handles_tail()
        {
            self.progress.warn(&format!(
                "{}: `tail_consumers` names `{}`, whose component does not export `taffrail:workers/tail`: every delivery to it will fail",
                producer.path.display(),
                worker.name
            ));
        }
    }
}

fn cannot_run(worker: &WorkerConfig) -> String {
    let path = worker.path.display();
    let name = &worker.name;
    if worker.path == worker.main {
        return format!("{path}: Worker `{name}` cannot run");
    }
    let main = worker.main.display();
    format!("{path}: `main` is `{main}`, which Worker `{name}` cannot run")
}
