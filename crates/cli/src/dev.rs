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
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

/// Editors and compilers write in bursts.
const QUIET: Duration = Duration::from_millis(100);

pub(crate) async fn run(options: ServeOptions) -> Result<u8> {
    let (consumers, printing) = serve::printer(options.format.unwrap_or(Format::Pretty));
    let listener = serve::listen(options.ip, options.port).await?;
    let runtime = workers::runtime(consumers)?;
    let configs = workers::configure(&options.workers)?;
    let settings = Settings {
        worker: configs[0].name.clone(),
        show_failures: true,
        grace: Duration::from_secs(options.grace),
    };
    let control = serve::control(&options, &runtime)?;
    let (sender, changes) = mpsc::unbounded_channel();
    let mut workers = Watched::new(runtime.clone(), options.workers, configs, sender)?;
    workers.start().await?;
    let watching = tokio::spawn(workers.follow(changes));
    let code = serve::serve(listener, &runtime, settings).await?;
    watching.abort();
    _ = watching.await;
    drop((control, runtime));
    serve::finish(printing);
    Ok(code)
}

/// The Workers of a `dev` run, and what is known of their files.
struct Watched {
    runtime: Runtime,
    options: WorkerOptions,
    configs: Vec<WorkerConfig>,
    /// What was last tried for each Worker, by name; it runs unless it was
    /// broken.
    tried: HashMap<String, (WorkerConfig, Option<Version>)>,
    watcher: Watcher,
}

/// What tells two versions of a file apart.
type Version = (SystemTime, u64);

type Watcher = Debouncer<RecommendedWatcher, RecommendedCache>;

impl Watched {
    fn new(
        runtime: Runtime,
        options: WorkerOptions,
        configs: Vec<WorkerConfig>,
        changes: UnboundedSender<Vec<PathBuf>>,
    ) -> Result<Self> {
        Ok(Self {
            runtime,
            options,
            configs,
            tried: HashMap::new(),
            watcher: watcher(changes)
                .context("changes cannot be watched; `taffrail serve` does without")?,
        })
    }

    /// Deploys all Workers for the first time. They are watched already while
    /// they are built, so that no change goes unnoticed.
    async fn start(&mut self) -> Result<()> {
        self.watch();
        for worker in self.configs.clone() {
            self.deploy(&worker, true).await?;
        }
        Ok(())
    }

    /// Brings the Workers up to date after each change, for ever.
    async fn follow(mut self, mut changes: UnboundedReceiver<Vec<PathBuf>>) {
        while let Some(mut paths) = changes.recv().await {
            while let Ok(more) = changes.try_recv() {
                paths.extend(more);
            }
            self.update(&paths).await;
        }
    }

    /// Watches what the configurations name, as far as it exists. What is
    /// watched already stays so.
    fn watch(&mut self) {
        if let Err(error) = watch(&mut self.watcher, &self.configs) {
            progress::warning(&format!("some changes are not noticed: {error:#}"));
        }
    }

    async fn update(&mut self, changed: &[PathBuf]) {
        let mut configs = self.configs.iter();
        if configs.any(|worker| changed.contains(&whole(&worker.path))) {
            self.reconfigure();
        }
        // What did not exist before may exist now.
        self.watch();
        for worker in self.configs.clone() {
            let tried = self.tried.get(&worker.name);
            let build = tried.is_none_or(|(config, _)| *config != worker)
                || has_changed_sources(&worker, changed);
            match self.deploy(&worker, build).await {
                Ok(false) => {}
                Ok(true) => progress::status("Reloaded", &worker.name),
                Err(error) => {
                    progress::error(&error);
                    progress::status(
                        "Keeping",
                        &format!("the running version of {}", worker.name),
                    );
                }
            }
        }
    }

    /// Reads the configurations again; says so if that cannot be done.
    fn reconfigure(&mut self) {
        match workers::configure(&self.options) {
            Ok(configs) if configs[0].name != self.configs[0].name => {
                progress::warning("the name of the first Worker changed; restart to serve it");
            }
            Ok(configs) => self.configs = configs,
            Err(error) => {
                progress::error(&error);
                progress::status("Keeping", "the running configuration");
            }
        }
    }

    /// Deploys a Worker unless this version of it was tried before, and tells
    /// whether it did.
    async fn deploy(&mut self, worker: &WorkerConfig, build: bool) -> Result<bool> {
        if build {
            workers::build(worker).await?;
        }
        let version = version(&worker.main);
        let name = worker.name.clone();
        let earlier = self.tried.insert(name, (worker.clone(), version));
        let same_config = matches!(&earlier, Some((config, _)) if config == worker);
        if same_config && matches!(earlier, Some((_, earlier)) if earlier == version) {
            return Ok(false);
        }
        if same_config && version.is_none() {
            let reason = format!("`{}` does not exist", worker.main.display());
            progress::warning(&format!("Worker `{}` is gone: {reason}", worker.name));
            self.runtime
                .deploy(workers::settings(worker), Code::Missing(reason))?;
        } else {
            workers::deploy(&self.runtime, worker, &self.configs).await?;
        }
        Ok(true)
    }
}

/// Tells of changes to what it watches, in bursts.
fn watcher(changes: UnboundedSender<Vec<PathBuf>>) -> Result<Watcher> {
    let watcher = new_debouncer(QUIET, None, move |result: DebounceEventResult| {
        let paths: Vec<_> = result
            .unwrap_or_default()
            .into_iter()
            .filter(|event| !event.kind.is_access())
            .flat_map(|event| event.event.paths)
            .collect();
        if !paths.is_empty() {
            // Nobody listens any more only when everything ends.
            _ = changes.send(paths);
        }
    })?;
    Ok(watcher)
}

/// Watches the Workers' configurations, components and sources.
fn watch(watcher: &mut Watcher, workers: &[WorkerConfig]) -> Result<()> {
    let mut watch = |path: &Path, mode| {
        let path = whole(path);
        // What does not exist yet shows in the nearest folder that does.
        let Some(found) = path.ancestors().find(|path| path.exists()) else {
            return Ok(());
        };
        let mode = if found == path {
            mode
        } else {
            RecursiveMode::NonRecursive
        };
        watcher
            .watch(found, mode)
            .with_context(|| format!("`{}`", found.display()))
    };
    for worker in workers {
        watch(&worker.dir, RecursiveMode::NonRecursive)?;
        if let Some(parent) = worker.main.parent() {
            watch(parent, RecursiveMode::NonRecursive)?;
        }
    }
    // Last, since a folder is watched in the way that was asked for last.
    for sources in workers.iter().flat_map(sources) {
        watch(sources, RecursiveMode::Recursive)?;
    }
    Ok(())
}

fn sources(worker: &WorkerConfig) -> impl Iterator<Item = &PathBuf> {
    worker.build.iter().flat_map(|build| &build.watch)
}

/// Whether the Worker is to be built again. What the build itself makes does
/// not count.
fn has_changed_sources(worker: &WorkerConfig, changed: &[PathBuf]) -> bool {
    let main = whole(&worker.main);
    sources(worker).map(|path| whole(path)).any(|sources| {
        changed
            .iter()
            .any(|path| path.starts_with(&sources) && *path != main)
    })
}

fn version(path: &Path) -> Option<Version> {
    let metadata = path.metadata().ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

/// The path from the root, as changes are told.
fn whole(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
