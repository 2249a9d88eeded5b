//! Workers whose `main` is a source file: builds their components.

use crate::blocking::blocking;
use crate::config::{Language, WorkerConfig};
use crate::error::{Error, Result};
use crate::progress::{Progress, Step, during};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use taffrail_c::C;
use taffrail_go::Go;
use taffrail_python::Python;
use taffrail_toolchain::Built;

/// The tools of the languages, looked for when a Worker needs them.
pub(crate) struct SourceBuilder {
    cache: PathBuf,
    progress: Arc<dyn Progress>,
}

impl SourceBuilder {
    /// Keeps the tools below `cache`.
    pub(crate) fn new(cache: &Path, progress: Arc<dyn Progress>) -> Self {
        Self {
            cache: cache.to_owned(),
            progress,
        }
    }

    /// Builds the component of a Worker.
    pub(crate) async fn build(&self, worker: &WorkerConfig, language: Language) -> Result<Built> {
        let tools = self.tools(language);
        if !tools.is_installed() {
            let tools = Arc::clone(&tools);
            let install = async {
                blocking(move || tools.install()).await??;
                Ok::<_, Error>(())
            };
            let step = Step::FetchTools {
                language: language.name(),
            };
            during(&*self.progress, step, install).await?;
        }
        let main = worker.main.clone();
        let step = Step::Componentize {
            worker: &worker.name,
        };
        let built = async {
            let built = blocking(move || tools.build(&main)).await?;
            built.map_err(|error| {
                let (path, name) = (worker.path.display(), &worker.name);
                Error::code(format!("{path}: Worker `{name}` cannot be built: {error}"))
            })
        };
        during(&*self.progress, step, built).await
    }

    fn tools(&self, language: Language) -> Arc<dyn taffrail_toolchain::Language> {
        match language {
            Language::C | Language::Cpp => Arc::new(C::new(&self.cache.join("c"))),
            Language::Go => Arc::new(Go::new(&self.cache.join("go"))),
            Language::Python => Arc::new(Python::new(&self.cache.join("python"))),
        }
    }
}
