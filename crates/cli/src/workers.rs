//! From configurations to Workers that run.

use crate::args::{UsageError, WorkerOptions};
use crate::claim::Claim;
use crate::config::{self, WorkerConfig};
use crate::javascript::JavaScript;
use crate::namespaces::UserWorkers;
use crate::private::Cache;
use crate::progress::{self, Spinner};
use crate::settings::settings;
use anyhow::{Context, Result, anyhow, bail};
use bytes::Bytes;
use std::path::PathBuf;
use std::process::Stdio;
use std::slice;
use std::sync::{Arc, Mutex, PoisonError};
use taffrail_javascript::Bundle;
use taffrail_runtime::{Binding, Code, Component, LoadScript, Runtime, TailConsumer};
use tokio::process::Command;

/// What Workers are deployed to.
pub(crate) struct Platform {
    runtime: Runtime,
    javascript: Arc<JavaScript>,
    /// It may end with the process.
    _cache: Cache,
    /// Where Workers keep data.
    store: Option<PathBuf>,
    /// Taken once a Worker does.
    claim: Mutex<Option<Claim>>,
}

/// What `main` names, as it was read.
#[derive(Clone, PartialEq)]
pub(crate) enum Main {
    Component(Bytes),
    Script(Arc<Bundle>),
}

impl Main {
    /// The files of a script.
    pub(crate) fn files(&self) -> &[PathBuf] {
        match self {
            Self::Component(_) => &[],
            Self::Script(bundle) => &bundle.files,
        }
    }
}

impl Platform {
    /// The runtime as the command line uses it: with a cache, and with a store
    /// beside the first of the Workers.
    pub(crate) fn new(
        consumers: Vec<Arc<dyn TailConsumer>>,
        workers: &[WorkerConfig],
        env: Option<String>,
    ) -> Result<Self> {
        let mut builder = Runtime::builder();
        let store = workers.first().map(|first| first.dir.join(".taffrail"));
        if let Some(store) = &store {
            builder = builder.store(store);
        }
        let cache = Cache::open()?;
        builder = builder.cache(cache.path().join("components"));
        for consumer in consumers {
            builder = builder.tail_consumer(consumer);
        }
        let javascript = Arc::new(JavaScript::new(cache.path()));
        let scripts: Arc<dyn LoadScript> = Arc::clone(&javascript) as _;
        let users = UserWorkers::new(workers, env, Arc::clone(&javascript));
        Ok(Self {
            runtime: builder
                .scripts(scripts)
                .namespaces(Arc::new(users))
                .build()?,
            javascript,
            _cache: cache,
            store,
            claim: Mutex::default(),
        })
    }

    pub(crate) fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// Builds, compiles and deploys all Workers.
    pub(crate) async fn deploy_all(&self, workers: &[WorkerConfig]) -> Result<()> {
        for worker in workers {
            build(worker).await?;
            let main = self.load(worker).await?;
            self.deploy(worker, workers, main).await?;
        }
        Ok(())
    }

    /// Reads a component, or a script with all that it imports.
    pub(crate) async fn load(&self, worker: &WorkerConfig) -> Result<Main> {
        Ok(if config::is_script(&worker.main) {
            Main::Script(Arc::new(self.javascript.bundle(worker).await?))
        } else {
            Main::Component(read_main(worker)?.into())
        })
    }

    /// Deploys one of the Workers given. The first of them must answer
    /// requests; the others may.
    pub(crate) async fn deploy(
        &self,
        worker: &WorkerConfig,
        workers: &[WorkerConfig],
        main: Main,
    ) -> Result<()> {
        self.claim(worker)?;
        let settings = settings(worker);
        match main {
            Main::Component(bytes) => {
                let component = self.compile(worker, bytes).await?;
                check_handlers(worker, workers, &component)?;
                self.runtime.deploy(settings, Code::Component(component))?;
            }
            Main::Script(bundle) => {
                let script = self.javascript.script(&self.runtime, &bundle).await?;
                let deployed = self.runtime.deploy_script(settings, script).await;
                deployed.with_context(|| cannot_run(worker))?;
            }
        }
        Ok(())
    }

    /// Takes the store for this process if the Worker keeps data.
    fn claim(&self, worker: &WorkerConfig) -> Result<()> {
        let mut bindings = worker.bindings.values();
        let keeps = bindings.any(|binding| match binding {
            Binding::Kv(_) | Binding::DurableObject(_) | Binding::AnalyticsEngine(_) => true,
            Binding::Service(_) | Binding::Loader | Binding::Dispatch(_) => false,
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

    /// Makes a component of a script that can be evaluated.
    pub(crate) async fn build_script(&self, worker: &WorkerConfig) -> Result<Vec<u8>> {
        let bundle = self.javascript.bundle(worker).await?;
        let script = Main::Script(Arc::new(bundle.clone()));
        // An exception is told in terms of the user's source only like this.
        self.deploy(worker, slice::from_ref(worker), script).await?;
        self.javascript.build(worker, bundle).await
    }

    /// Deploys a Worker that has nothing to run.
    pub(crate) fn deploy_missing(&self, worker: &WorkerConfig, reason: String) -> Result<()> {
        Ok(self
            .runtime
            .deploy(settings(worker), Code::Missing(reason))?)
    }

    async fn compile(&self, worker: &WorkerConfig, bytes: Bytes) -> Result<Component> {
        let spinner = Spinner::start(format!("Compiling {}", worker.name));
        let compiler = self.runtime.clone();
        let main = worker.main.clone();
        let compile = move || compiler.compile_from(&bytes, &main);
        let component = tokio::task::spawn_blocking(compile).await?;
        let took = spinner.stop();
        let component = component.with_context(|| cannot_run(worker))?;
        if took > progress::WORTH_TELLING {
            let seconds = took.as_secs_f32();
            progress::status("Compiled", &format!("{} in {seconds:.1} s", worker.name));
        }
        Ok(component)
    }
}

/// Reads and checks the configuration of all Workers given, warnings included.
///
/// In `development` the `.dev.vars` of each count, and packages are told so.
pub(crate) fn configure(options: &WorkerOptions, development: bool) -> Result<Vec<WorkerConfig>> {
    let mut workers = options
        .paths
        .iter()
        .map(|path| config::load(path, options.env.as_deref()))
        .collect::<Result<Vec<_>>>()?;
    if development {
        for worker in &mut workers {
            worker.bundling.development = true;
        }
        config::apply_dev_vars(&mut workers, options.env.as_deref())?;
    }
    for warning in workers.iter().flat_map(|worker| &worker.warnings) {
        progress::warning(warning);
    }
    config::apply_var_files(&mut workers, &options.var_files)?;
    config::apply_vars(&mut workers, &options.vars)
        .map_err(|error| UsageError::new(format!("--var {error}")))?;
    config::apply_limits(&mut workers, &options.limits)
        .map_err(|error| UsageError::new(format!("--limit {error}")))?;
    config::check_set(&workers)?;
    Ok(workers)
}

/// Looks at whether a component has the handlers that its place asks for.
fn check_handlers(
    worker: &WorkerConfig,
    workers: &[WorkerConfig],
    component: &Component,
) -> Result<()> {
    if worker.name == workers[0].name && !component.handles_fetch() && !component.is_engine() {
        bail!(
            "{}: Worker `{}` is given first, so it should answer requests, but its component exports no `wasi:http` handler; give the Worker that does as the first path",
            worker.path.display(),
            worker.name
        );
    }
    warn_of_missing_tail(worker, workers, component);
    Ok(())
}

/// Says that a Worker which others name as their tail consumer cannot be one.
fn warn_of_missing_tail(worker: &WorkerConfig, workers: &[WorkerConfig], component: &Component) {
    let producer = workers.iter().find(|producer| {
        let mut tails = producer.tail_consumers.iter();
        tails.any(|tail| tail.worker.deployed_name() == Some(&worker.name))
    });
    if let Some(producer) = producer
        && !component.handles_tail()
        && !component.is_engine()
    {
        progress::warning(&format!(
            "{}: `tail_consumers` names `{}`, whose component does not export `taffrail:workers/tail`: every delivery to it will fail",
            producer.path.display(),
            worker.name
        ));
    }
}

/// Runs the build command, if there is one. Its output goes to stderr.
pub(crate) async fn build(worker: &WorkerConfig) -> Result<()> {
    let Some(build) = &worker.build else {
        return Ok(());
    };
    progress::status(
        "Building",
        &format!("{} with `{}`", worker.name, build.command),
    );
    let status = Command::new("sh")
        .args(["-c", &build.command])
        .current_dir(&build.cwd)
        .stdin(Stdio::null())
        .stdout(std::io::stderr())
        .kill_on_drop(true)
        .status()
        .await
        .map_err(|error| {
            anyhow!(
                "{}: `build.command` cannot be run in `{}`: {error}; check `build.cwd`",
                worker.path.display(),
                build.cwd.display()
            )
        })?;
    if !status.success() {
        bail!(
            "{}: `build.command` failed with {status}; what it printed stands above",
            worker.path.display()
        );
    }
    Ok(())
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

fn read_main(worker: &WorkerConfig) -> Result<Vec<u8>> {
    std::fs::read(&worker.main).map_err(|error| {
        let next = match &worker.build {
            Some(build) => format!("`build.command` (`{}`) did not make it", build.command),
            None => "build it first, or set `build.command`".to_owned(),
        };
        anyhow!(
            "{}: `main` is `{}`, which cannot be read: {error}; {next}",
            worker.path.display(),
            worker.main.display()
        )
    })
}
