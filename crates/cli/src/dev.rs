//! `taffrail dev`: serves Workers, and reloads them when their files change.

use crate::args::{Format, ServeOptions, WorkerOptions};
use crate::control::Bound;
use crate::workers::{self, Opened};
use crate::{control, progress, serve};
use anyhow::{Context, Result};
use notify_debouncer_full::notify::{RecommendedWatcher, RecursiveMode};
use notify_debouncer_full::{DebounceEventResult, Debouncer, RecommendedCache, new_debouncer};
use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use taffrail_project::config::{self, Cron, WorkerConfig};
use taffrail_project::{Crons, Main};
use taffrail_server::Settings;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio_util::task::AbortOnDropHandle;

/// Editors and compilers write files in bursts.
const QUIET: Duration = Duration::from_millis(100);

pub(crate) async fn run(options: ServeOptions) -> Result<u8> {
    let (consumers, printing) = serve::printer(options.format.unwrap_or(Format::Pretty))?;
    let listener = serve::listen(options.ip, options.port).await?;
    let configs = workers::configure(&options.workers, true)?;
    let control = control::bind(options.control.as_ref(), &configs).await?;
    let env = options.workers.env.clone();
    let opened = workers::open_exporting(consumers, control.as_ref(), options.ip, &configs, env)?;
    let opened = Arc::new(opened);
    let settings = Settings {
        show_failures: true,
        triggers: Some(|text| Cron::parse(text).is_ok()),
        grace: Duration::from_secs(options.grace),
        ..Settings::new(&configs[0].name)
    };
    let start = |bound: Bound| bound.start(opened.project.runtime());
    let control = control.map(start).transpose()?;
    let (sender, changes) = mpsc::unbounded_channel();
    let mut workers = Watched::new(Arc::clone(&opened), options.workers, configs, sender)?;
    workers.start().await?;
    let watching = AbortOnDropHandle::new(tokio::spawn(workers.follow(changes)));
    let project = &opened.project;
    let code = serve::serve(listener, project, settings, watching, control, printing).await?;
    drop(opened);
    Ok(code)
}

/// The Workers of a `dev` run, and the state of their files.
struct Watched {
    opened: Arc<Opened>,
    options: WorkerOptions,
    configs: Vec<WorkerConfig>,
    /// The version that was last deployed, or tried, for each Worker, by name. `None` if `main`
    /// did not exist.
    tried: HashMap<String, (WorkerConfig, Option<Main>)>,
    crons: Crons,
    watcher: Watcher,
}

type Watcher = Debouncer<RecommendedWatcher, RecommendedCache>;

impl Watched {
    fn new(
        opened: Arc<Opened>,
        options: WorkerOptions,
        configs: Vec<WorkerConfig>,
        changes: UnboundedSender<Vec<PathBuf>>,
    ) -> Result<Self> {
        Ok(Self {
            crons: Crons::new(opened.project.runtime()),
            opened,
            options,
            configs,
            tried: HashMap::new(),
            watcher: watcher(changes)
                .context("changes cannot be watched; `taffrail serve` does without")?,
        })
    }

    /// Deploys all Workers for the first time. Watching begins before they are built, so that no
    /// change is missed.
    async fn start(&mut self) -> Result<()> {
        self.watch();
        for worker in self.configs.clone() {
            self.deploy(&worker, true).await?;
        }
        Ok(())
    }

    /// Updates the Workers after each change. Never returns.
    async fn follow(mut self, mut changes: UnboundedReceiver<Vec<PathBuf>>) {
        while let Some(mut paths) = changes.recv().await {
            while let Ok(more) = changes.try_recv() {
                paths.extend(more);
            }
            self.update(&paths).await;
        }
    }

    /// Watches the existing files that the configurations name. Paths that are already watched
    /// stay watched.
    fn watch(&mut self) {
        let scripts = self.tried.values().filter_map(|(_, main)| main.as_ref());
        let vars = self.options.var_files.iter().map(|file| absolute(file));
        let imported = scripts.flat_map(Main::files).cloned().chain(vars).collect();
        if let Err(error) = watch(&mut self.watcher, &self.configs, &imported) {
            progress::warning(&format!("some changes are not noticed: {error:#}"));
        }
    }

    async fn update(&mut self, changed: &[PathBuf]) {
        if changed.iter().any(|path| self.configures(path)) {
            self.reconfigure();
        }
        // New files may exist now.
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

    /// Whether a file is a configuration or a file of variables.
    fn configures(&self, path: &Path) -> bool {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        self.configs.iter().any(|worker| {
            let is_beside = || {
                path.parent()
                    .is_some_and(|dir| *dir == absolute(&worker.dir))
            };
            let mut starts = [config::DEV_VARS, config::DOT_ENV].iter();
            let is_of_vars = starts.any(|start| name.starts_with(start));
            absolute(&worker.path) == path || is_of_vars && is_beside()
        }) || self
            .options
            .var_files
            .iter()
            .any(|file| absolute(file) == path)
    }

    /// Reads the configurations again. If that fails, warns and keeps the running ones.
    fn reconfigure(&mut self) {
        match workers::configure(&self.options, true) {
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

    /// Deploys a Worker unless this version was already tried. Returns whether it was deployed.
    async fn deploy(&mut self, worker: &WorkerConfig, build: bool) -> Result<bool> {
        if build {
            self.opened.project.run_build_command(worker).await?;
        }
        let main = match worker.main.exists() {
            true => Some(self.opened.project.load(worker).await?),
            false => None,
        };
        let name = worker.name.clone();
        let earlier = self.tried.insert(name, (worker.clone(), main.clone()));
        let same_config = matches!(&earlier, Some((config, _)) if config == worker);
        if same_config && matches!(&earlier, Some((_, earlier)) if *earlier == main) {
            return Ok(false);
        }
        match main {
            None if same_config => {
                let reason = format!("`{}` does not exist", worker.main.display());
                progress::warning(&format!("Worker `{}` is gone: {reason}", worker.name));
                self.opened.project.deploy_missing(worker, reason)?;
            }
            Some(main) => {
                self.opened
                    .project
                    .deploy(worker, &self.configs, main)
                    .await?;
                self.crons.set(worker);
                // The script may import other files now.
                self.watch();
            }
            // Fails with an error that says what to do.
            None => _ = self.opened.project.load(worker).await?,
        }
        Ok(true)
    }
}

/// Returns a watcher that sends changes in bursts.
fn watcher(changes: UnboundedSender<Vec<PathBuf>>) -> Result<Watcher> {
    let watcher = new_debouncer(QUIET, None, move |result: DebounceEventResult| {
        let paths: Vec<_> = result
            .unwrap_or_default()
            .into_iter()
            .filter(|event| !event.kind.is_access())
            .flat_map(|event| event.event.paths)
            .collect();
        if !paths.is_empty() {
            // The receiver is gone only if the process is ending.
            _ = changes.send(paths);
        }
    })?;
    Ok(watcher)
}

/// Watches the Workers' configurations, components and sources, and the imports of their scripts.
fn watch(
    watcher: &mut Watcher,
    workers: &[WorkerConfig],
    imported: &BTreeSet<PathBuf>,
) -> Result<()> {
    let mut watch = |path: &Path, mode| {
        let path = absolute(path);
        // Until a path exists, its nearest existing parent is watched.
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
    let folders: BTreeSet<_> = imported.iter().filter_map(|file| file.parent()).collect();
    for folder in folders {
        watch(folder, RecursiveMode::NonRecursive)?;
    }
    // Last, since the mode of a folder is that of the last call.
    for sources in workers.iter().flat_map(sources) {
        watch(sources, RecursiveMode::Recursive)?;
    }
    Ok(())
}

fn sources(worker: &WorkerConfig) -> impl Iterator<Item = &PathBuf> {
    worker.build.iter().flat_map(|build| &build.watch)
}

/// Whether the Worker must be built again. The output of the build does not count.
fn has_changed_sources(worker: &WorkerConfig, changed: &[PathBuf]) -> bool {
    let main = absolute(&worker.main);
    sources(worker).map(|path| absolute(path)).any(|sources| {
        changed
            .iter()
            .any(|path| path.starts_with(&sources) && *path != main)
    })
}

/// Returns the absolute path, in which form changes are reported.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
