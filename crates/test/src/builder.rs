//! The Workers of a scenario.

use crate::items::Recorder;
use crate::outbound::Outbound;
use crate::scenario::Scenario;
use crate::shared;
use directories::BaseDirs;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use taffrail_project::config::{self, WorkerConfig};
use taffrail_project::{Error, Project};
use taffrail_runtime::{Network, Runtime, Target};
use tempfile::TempDir;

/// What a [`Scenario`] is made of.
///
/// The Workers run as `taffrail invoke` runs them: the first of those that are
/// given has a `fetch` handler, and the `.dev.vars` beside a configuration count.
/// What they store is in memory.
#[must_use]
pub struct Builder {
    cache: Option<PathBuf>,
    workers: Vec<Source>,
    changes: Vec<Change>,
    network: Option<Arc<dyn Network>>,
}

enum Source {
    Path(PathBuf),
    File { name: String, contents: Vec<u8> },
}

struct Change {
    worker: String,
    make: Box<dyn FnOnce(&mut WorkerConfig)>,
}

impl Scenario {
    /// Begins a scenario with Workers.
    pub fn builder() -> Builder {
        Builder::default()
    }
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            cache: None,
            workers: Vec::new(),
            changes: Vec::new(),
            network: Some(Outbound::new().network()),
        }
    }
}

impl Builder {
    /// Adds the Worker at a path: its folder, its configuration file, a component
    /// or a script.
    pub fn worker(mut self, path: impl Into<PathBuf>) -> Self {
        self.workers.push(Source::Path(path.into()));
        self
    }

    /// Adds a Worker that is a script.
    pub fn script(self, name: &str, source: &str) -> Self {
        self.file(format!("{name}.js"), source.as_bytes())
    }

    /// Adds a Worker that is a component.
    pub fn component(self, name: &str, bytes: &[u8]) -> Self {
        self.file(format!("{name}.wasm"), bytes)
    }

    fn file(mut self, name: String, contents: &[u8]) -> Self {
        let contents = contents.to_owned();
        self.workers.push(Source::File { name, contents });
        self
    }

    /// Adds tail consumers to those of a Worker.
    pub fn tails<'a>(self, worker: &str, tails: impl IntoIterator<Item = &'a str>) -> Self {
        let tails: Vec<_> = tails.into_iter().map(Target::from).collect();
        self.configure(worker, |config| config.tail_consumers.extend(tails))
    }

    /// Changes the configuration of a Worker, for example its `vars`.
    pub fn configure(
        mut self,
        worker: &str,
        change: impl FnOnce(&mut WorkerConfig) + 'static,
    ) -> Self {
        self.changes.push(Change {
            worker: worker.to_owned(),
            make: Box::new(change),
        });
        self
    }

    /// Has `outbound` answer the requests of the Workers. Without it they are all
    /// refused.
    pub fn outbound(mut self, outbound: &Outbound) -> Self {
        self.network = Some(outbound.network());
        self
    }

    /// Lets the requests of the Workers go out to the network.
    pub fn with_network(mut self) -> Self {
        self.network = None;
        self
    }

    /// Keeps the JavaScript engine and compiled code in `directory`, and not where
    /// the `taffrail` command does.
    pub fn cache(mut self, directory: impl Into<PathBuf>) -> Self {
        self.cache = Some(directory.into());
        self
    }

    /// Deploys the Workers.
    ///
    /// # Errors
    ///
    /// Fails if their configurations are wrong, or one cannot be built or run.
    ///
    /// # Panics
    ///
    /// Panics if the configuration of a Worker is to be changed that there is not, and
    /// when there is no place for temporary files.
    pub async fn start(mut self) -> Result<Scenario, Error> {
        let (mut workers, files) = self.load()?;
        config::apply_dev_vars(&mut workers, None)?;
        for change in self.changes {
            let name = &change.worker;
            let worker = workers.iter_mut().find(|worker| worker.name == *name);
            let worker = worker.unwrap_or_else(|| panic!("there is no Worker `{name}`"));
            (change.make)(worker);
        }
        config::check_set(&workers, config::MissingTail::Refuse)?;

        let cache = self.cache.unwrap_or_else(default_cache);
        let recorder = Arc::new(Recorder::default());
        let mut runtime = Runtime::builder().tail_consumer(recorder.clone());
        if let Some(network) = self.network {
            runtime = runtime.network(network);
        }
        let project = Project::builder(&cache)
            .tools(shared::tools(&cache)?)
            .runtime(runtime)
            .build(&workers)?;
        project.deploy_all(&workers).await?;
        Ok(Scenario::of_project(project, recorder, files))
    }

    /// Reads the configurations, and writes what is not in files yet.
    fn load(&mut self) -> Result<(Vec<WorkerConfig>, Option<TempDir>), Error> {
        let mut files = None;
        let mut workers = Vec::new();
        for source in self.workers.drain(..) {
            let path = match source {
                Source::Path(path) => path,
                Source::File { name, contents } => {
                    let folder = files.get_or_insert_with(|| no_fail(tempfile::tempdir()));
                    write(folder.path(), &name, &contents)
                }
            };
            let mut worker = config::load(&path, None)?;
            worker.bundling.development = true;
            workers.push(worker);
        }
        Ok((workers, files))
    }
}

/// Writes a file into a folder of its own.
fn write(folder: &Path, name: &str, contents: &[u8]) -> PathBuf {
    let folder = folder.join(name);
    let path = folder.join(name);
    no_fail(fs::create_dir_all(&folder));
    no_fail(fs::write(&path, contents));
    path
}

fn no_fail<T>(result: std::io::Result<T>) -> T {
    result.unwrap_or_else(|error| panic!("there is no place for temporary files: {error}"))
}

/// Where the `taffrail` command keeps what takes long to make.
fn default_cache() -> PathBuf {
    let folder = BaseDirs::new().map_or_else(std::env::temp_dir, |dirs| dirs.cache_dir().into());
    folder.join("taffrail")
}
