//! Workers in Python: builds components from their files.

use crate::blocking::blocking;
use crate::config::WorkerConfig;
use crate::error::{Error, Result};
use crate::progress::{Progress, Step, during};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use taffrail_python::{Sources, Toolchain};

/// The tools for Python, looked for when a Worker needs them.
pub(crate) struct Python {
    cache: PathBuf,
    progress: Arc<dyn Progress>,
}

impl Python {
    /// Keeps the tools below `cache`.
    pub(crate) fn new(cache: &Path, progress: Arc<dyn Progress>) -> Self {
        Self {
            cache: cache.join("python"),
            progress,
        }
    }

    /// Builds the component of a Worker. Returns the files that it was built from, too.
    pub(crate) async fn build(&self, worker: &WorkerConfig) -> Result<(Vec<u8>, Vec<PathBuf>)> {
        let toolchain = Toolchain::new(&self.cache);
        if !toolchain.is_installed() {
            let toolchain = toolchain.clone();
            let install = async {
                blocking(move || toolchain.install()).await??;
                Ok::<_, Error>(())
            };
            during(&*self.progress, Step::FetchPython, install).await?;
        }
        let main = worker.main.clone();
        let build = move || {
            let sources = Sources::of(&main)?;
            let component = toolchain.build(&sources)?;
            Ok((component, sources.files().to_vec()))
        };
        let step = Step::Componentize {
            worker: &worker.name,
        };
        let built = async {
            let built: Result<_, taffrail_python::Error> = blocking(build).await?;
            built.map_err(|error| {
                let (path, name) = (worker.path.display(), &worker.name);
                Error::code(format!("{path}: Worker `{name}` cannot be built: {error}"))
            })
        };
        during(&*self.progress, step, built).await
    }
}
