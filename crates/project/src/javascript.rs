//! Workers in JavaScript and TypeScript: the engine and the bundles.

use crate::blocking::blocking;
use crate::config::WorkerConfig;
use crate::error::{Error, Result};
use crate::progress::{Progress, Step, during};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use taffrail_javascript::{Boundary, Bundle, BundleError, Bundled, Bundler, ModuleKind, Toolchain};
use taffrail_runtime::{
    BoxFuture, Compiler, LoadError, LoadFor, Loaded, Module, ModuleBundler, Modules, Script,
    ScriptEngine, Source,
};
use tokio::sync::OnceCell;

/// The engine and the bundler. They are built and compiled when the first script needs them.
pub(crate) struct JavaScript {
    toolchain: Toolchain,
    progress: Arc<dyn Progress>,
    bundler: OnceCell<Bundler>,
    engine: OnceCell<Arc<ScriptEngine>>,
}

impl JavaScript {
    /// Creates the toolchain, which keeps the engine below `cache`.
    pub(crate) fn new(cache: &Path, progress: Arc<dyn Progress>) -> Self {
        Self {
            toolchain: Toolchain::new(&cache.join("javascript")),
            progress,
            bundler: OnceCell::new(),
            engine: OnceCell::new(),
        }
    }

    /// Bundles the script of one of the operator's Workers into one file. Meanwhile the engine that
    /// will run it is compiled, or read.
    pub(crate) async fn bundle(
        &self,
        compiler: &Compiler,
        worker: &WorkerConfig,
    ) -> Result<Bundle> {
        self.install().await?;
        let (bundle, _) = tokio::try_join!(self.bundle_own(worker), self.engine(compiler))?;
        Ok(bundle)
    }

    async fn bundle_own(&self, worker: &WorkerConfig) -> Result<Bundle> {
        let (path, name) = (worker.path.display(), &worker.name);
        let requester = format!("own {name}");
        let (bundle, _) = self
            .bundle_within(Boundary::Project, &requester, worker)
            .await?;
        bundle.map_err(|error| error.context(format!("{path}: Worker `{name}` cannot be bundled")))
    }

    /// Bundles the script of a Worker whose author may see the errors. Also returns the CPU time
    /// that this took.
    pub(crate) async fn bundle_within(
        &self,
        boundary: Boundary,
        requester: &str,
        worker: &WorkerConfig,
    ) -> Result<(Result<Bundle>, Duration)> {
        let bundler = self.bundler().await?;
        let Bundled { result, cpu } = bundler
            .folder(
                requester,
                boundary,
                &worker.dir,
                &worker.main,
                worker.bundling.clone(),
            )
            .await;
        let bundle = result.map_err(|error| match error {
            BundleError::Syntax(wrong) => Error::code(wrong.report),
            BundleError::Limit(message) => Error::code(message),
            BundleError::Host(error) => error.into(),
        });
        Ok((bundle, cpu))
    }

    /// Returns the script of a bundle, ready to run.
    pub(crate) async fn script(&self, compiler: &Compiler, bundle: &Bundle) -> Result<Script> {
        let engine = self.engine(compiler).await?;
        let source = Source::new(&bundle.text)
            .with_map(bundle.source_map.as_str())
            .service_worker(bundle.service_worker);
        Ok(Script::new(Arc::clone(engine), source))
    }

    /// Builds a component from a Worker's script.
    pub(crate) async fn componentize(
        &self,
        worker: &WorkerConfig,
        bundle: Bundle,
    ) -> Result<Vec<u8>> {
        let toolchain = self.toolchain.clone();
        let step = Step::Componentize {
            worker: &worker.name,
        };
        let built = self.take(step, move || toolchain.build(&bundle)).await;
        built.map_err(|error| {
            error.context(format!(
                "{}: Worker `{}`",
                worker.path.display(),
                worker.name
            ))
        })
    }

    async fn install(&self) -> Result<()> {
        if self.toolchain.is_installed() {
            return Ok(());
        }
        let toolchain = self.toolchain.clone();
        self.take(Step::MakeEngine, move || toolchain.install())
            .await
    }

    async fn bundler(&self) -> Result<&Bundler> {
        self.bundler
            .get_or_try_init(|| async {
                self.install().await?;
                let toolchain = self.toolchain.clone();
                self.take(Step::CompileBundler, move || toolchain.bundler())
                    .await
            })
            .await
    }

    async fn engine(&self, compiler: &Compiler) -> Result<&Arc<ScriptEngine>> {
        self.engine.get_or_try_init(|| self.compile(compiler)).await
    }

    async fn compile(&self, compiler: &Compiler) -> Result<Arc<ScriptEngine>> {
        self.install().await?;
        let (toolchain, compiler) = (self.toolchain.clone(), compiler.clone());
        let compile = move || {
            let bytes = toolchain.engine()?;
            let engine = compiler.compile_engine(&bytes).map_err(Error::from);
            engine.map_err(|error| error.context("the JavaScript engine cannot run"))
        };
        self.take(Step::CompileEngine, compile).await.map(Arc::new)
    }

    /// Runs a step that blocks its thread.
    async fn take<T, E>(
        &self,
        step: Step<'_>,
        work: impl FnOnce() -> Result<T, E> + Send + 'static,
    ) -> Result<T>
    where
        T: Send + 'static,
        E: Send + 'static,
        Error: From<E>,
    {
        let work = async { Ok(blocking(work).await??) };
        during(&*self.progress, step, work).await
    }
}

impl ModuleBundler for JavaScript {
    fn load<'a>(
        &'a self,
        compiler: &'a Compiler,
        modules: Modules,
        load_for: LoadFor<'a>,
    ) -> BoxFuture<'a, Loaded> {
        Box::pin(async move {
            let bundler = match self.bundler().await {
                Ok(bundler) => bundler,
                Err(error) => return Loaded::failed(host(&error)),
            };
            let requester = format!("loader {:?}", load_for.worker);
            let files = modules.modules.into_iter().map(file).collect();
            let Bundled { result, cpu } = bundler
                .modules(&requester, &modules.main, files, load_for.cpu)
                .await;
            let script = match result {
                Ok(bundle) => {
                    let script = self.script(compiler, &bundle).await;
                    script.map_err(|error| host(&error))
                }
                Err(BundleError::Syntax(wrong)) => Err(LoadError::Module {
                    name: wrong.name.to_owned(),
                    message: wrong.message,
                    stack: wrong.place.map(|place| format!("    at {place}")),
                }),
                Err(BundleError::Limit(message)) => Err(LoadError::Host(format!(
                    "The modules of `{}` cannot be bundled: {message}.",
                    modules.main
                ))),
                Err(BundleError::Host(error)) => Err(host(&Error::from(error))),
            };
            Loaded { script, cpu }
        })
    }
}

/// Logs the reason for the operator. The requesting Worker only learns that it is not to blame.
fn host(error: &Error) -> LoadError {
    tracing::error!("a dynamic Worker cannot be bundled: {error:#}");
    LoadError::Host(
        "The bundler of dynamic Workers failed; the log of the host says why.".to_owned(),
    )
}

fn file((name, module): (String, Module)) -> taffrail_javascript::Module {
    let (kind, contents) = match module {
        Module::Js(text) => (ModuleKind::Js, text.into_bytes()),
        Module::CommonJs(text) => (ModuleKind::CommonJs, text.into_bytes()),
        Module::Text(text) => (ModuleKind::Text, text.into_bytes()),
        Module::Json(value) => (ModuleKind::Json, value.to_string().into_bytes()),
        Module::Data(bytes) => (ModuleKind::Data, bytes),
        Module::Wasm(bytes) => (ModuleKind::Wasm, bytes),
    };
    taffrail_javascript::Module {
        name,
        contents,
        kind,
    }
}
