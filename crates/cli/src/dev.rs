//! `taffrail dev`: serve, and again whenever something changes.

use crate::args::{Format, ServeOptions, WorkerOptions};
use crate::config::WorkerConfig;
use crate::{progress, serve, workers};
use anyhow::{Context, Result};
use notify_debouncer_full::notify::{RecommendedWatcher, RecursiveMode};
use notify_debouncer_full::{DebounceEventResult, Debouncer, RecommendedCache, new_debouncer};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use taffrail_runtime::{Code, Runtime};
use taffrail_server::Settings;
use tokio::sync::mpsc::{self, UnboundedSender};

/// Editors and compilers write in bursts.
const QUIET: Duration = Duration::from_millis(100);

pub(crate) async fn run(options: ServeOptions) -> Result<u8> {
    let (consumers, printing) = serve::printer(options.format.unwrap_or(Format::Pretty));
    let listener = serve::listen(options.ip, options.port).await?;
    let runtime = workers::runtime(consumers)?;
    let given = &options.workers;
    let configs = workers::configure(&given.paths, given.env.as_deref(), &given.vars)?;
    workers::deploy_all(&runtime, &configs).await?;
    let settings = Settings {
        worker: configs[0].name.clone(),
        show_failures: true,
        grace: Duration::from_secs(options.grace),
    };
    let watching = tokio::spawn(watch(runtime.clone(), options.workers, configs));
    let code = serve::serve(listener, &runtime, settings).await?;
    watching.abort();
    _ = watching.await;
    drop(runtime);
    serve::finish(printing);
    Ok(code)
}

/// Brings the Workers up to date after each change, for ever.
async fn watch(runtime: Runtime, options: WorkerOptions, configs: Vec<WorkerConfig>) {
    let (sender, mut changes) = mpsc::unbounded_channel();
    let mut workers = Watched::new(runtime, options, configs);
    let mut watcher = workers.watcher(sender.clone());
    loop {
        if let Err(error) = &watcher {
            progress::warning(&format!("changes are not noticed: {error:#}"));
            return;
        }
        let Some(mut paths): Option<Vec<PathBuf>> = changes.recv().await else {
            return;
        };
        while let Ok(more) = changes.try_recv() {
            paths.extend(more);
        }
        workers.update(&paths).await;
        // The next watcher begins before the last one ends.
        watcher = workers.watcher(sender.clone());
    }
}

/// The Workers of a `dev` run, as far as they are deployed.
struct Watched {
    runtime: Runtime,
    options: WorkerOptions,
    configs: Vec<WorkerConfig>,
    /// Which version of each Worker's component is deployed.
    deployed: HashMap<String, Option<Version>>,
}

/// What tells two versions of a file apart.
type Version = (SystemTime, u64);

impl Watched {
    fn new(runtime: Runtime, options: WorkerOptions, configs: Vec<WorkerConfig>) -> Self {
        let deployed = configs
            .iter()
            .map(|worker| (worker.name.clone(), version(&worker.main)))
            .collect();
        Self {
            runtime,
            options,
            configs,
            deployed,
        }
    }

    fn watcher(&self, changes: UnboundedSender<Vec<PathBuf>>) -> Result<Watcher> {
        let mut watcher = new_debouncer(QUIET, None, move |result: DebounceEventResult| {
            let paths = result
                .unwrap_or_default()
                .into_iter()
                .filter(|event| !event.kind.is_access())
                .flat_map(|event| event.event.paths)
                .collect();
            // Nobody listens any more only when everything ends.
            _ = changes.send(paths);
        })?;
        let mut watch = |path: &Path, mode| match watcher.watch(path, mode) {
            Err(error) if path.exists() => {
                Err(error).with_context(|| format!("`{}`", path.display()))
            }
            // What does not exist yet is not watched.
            _ => Ok(()),
        };
        for worker in &self.configs {
            watch(&worker.dir, RecursiveMode::NonRecursive)?;
            if let Some(parent) = worker.main.parent() {
                watch(parent, RecursiveMode::NonRecursive)?;
            }
            for sources in worker.build.iter().flat_map(|build| &build.watch) {
                watch(sources, RecursiveMode::Recursive)?;
            }
        }
        Ok(watcher)
    }

    async fn update(&mut self, changed: &[PathBuf]) {
        let changed: Vec<_> = changed.iter().map(|path| whole(path)).collect();
        let is_changed = |path: &Path| changed.contains(&whole(path));
        let reconfigured = self.configs.iter().any(|worker| is_changed(&worker.path));
        if reconfigured && !self.reconfigure() {
            return;
        }
        for worker in self.configs.clone() {
            let sources = worker.build.iter().flat_map(|build| &build.watch);
            let rebuild = sources
                .map(|sources| whole(sources))
                .any(|sources| changed.iter().any(|path| path.starts_with(&sources)));
            if !(reconfigured || rebuild || is_changed(&worker.main)) {
                continue;
            }
            if let Err(error) = self.redeploy(&worker, rebuild, reconfigured).await {
                progress::error(&error);
                progress::status(
                    "Keeping",
                    &format!("the running version of {}", worker.name),
                );
            }
        }
    }

    /// Reads the configurations again; says so if that cannot be done.
    fn reconfigure(&mut self) -> bool {
        let options = &self.options;
        let configs = workers::configure(&options.paths, options.env.as_deref(), &options.vars);
        let configs = match configs {
            Ok(configs) => configs,
            Err(error) => {
                progress::error(&error);
                progress::status("Keeping", "the running configuration");
                return false;
            }
        };
        if configs[0].name != self.configs[0].name {
            progress::warning("the name of the first Worker changed; restart to serve it");
            return false;
        }
        self.configs = configs;
        true
    }

    async fn redeploy(&mut self, worker: &WorkerConfig, build: bool, force: bool) -> Result<()> {
        if build {
            workers::build(worker).await?;
        }
        let version = version(&worker.main);
        if !force && self.deployed.get(&worker.name) == Some(&version) {
            return Ok(());
        }
        let code = if version.is_none() {
            let reason = format!("`{}` does not exist", worker.main.display());
            progress::warning(&format!("Worker `{}` is gone: {reason}", worker.name));
            Code::Missing(reason)
        } else {
            Code::Component(workers::compile(&self.runtime, worker).await?)
        };
        self.runtime.deploy(workers::settings(worker), code)?;
        self.deployed.insert(worker.name.clone(), version);
        progress::status("Reloaded", &worker.name);
        Ok(())
    }
}

type Watcher = Debouncer<RecommendedWatcher, RecommendedCache>;

fn version(path: &Path) -> Option<Version> {
    let metadata = path.metadata().ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

/// The path from the root, so that two ways to write it compare equal.
fn whole(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
