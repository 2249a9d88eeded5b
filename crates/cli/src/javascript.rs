//! Workers in JavaScript and TypeScript: their engine and their bundles.

use crate::config::WorkerConfig;
use crate::progress::{self, Spinner};
use anyhow::{Context, Result, anyhow};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use taffrail_javascript::{Bundle, ModuleKind, SyntaxError, Toolchain};
use taffrail_runtime::{
    Component, LoadError, LoadScript, Loading, Module, Modules, Runtime, Script, Source,
};
use tokio::sync::OnceCell;

/// The engine, made and compiled when the first script asks for it.
pub(crate) struct JavaScript {
    toolchain: Toolchain,
    engine: OnceCell<Arc<Component>>,
}

impl JavaScript {
    /// Keeps the engine below `cache`.
    pub(crate) fn new(cache: &Path) -> Self {
        Self {
            toolchain: Toolchain::new(&cache.join("javascript")),
            engine: OnceCell::new(),
        }
    }

    /// Makes one file of a Worker's script.
    pub(crate) async fn bundle(&self, worker: &WorkerConfig) -> Result<Bundle> {
        self.install().await?;
        let toolchain = self.toolchain.clone();
        let main = worker.main.clone();
        let bundle = tokio::task::spawn_blocking(move || toolchain.bundle(&main)).await?;
        bundle.map_err(|error| {
            let path = worker.path.display();
            let name = &worker.name;
            anyhow!("{path}: Worker `{name}` cannot be bundled:\n{error}")
        })
    }

    /// The script of a bundle, ready to be run.
    pub(crate) async fn script(&self, runtime: &Runtime, bundle: &Bundle) -> Result<Script> {
        let engine = self
            .engine
            .get_or_try_init(|| self.compile(runtime))
            .await?;
        let source = Source::new(&bundle.text)
            .with_map(bundle.source_map.as_str())
            .service_worker(bundle.service_worker);
        Ok(Script::new(Arc::clone(engine), source))
    }

    /// Makes a component of a Worker's script.
    pub(crate) async fn build(&self, worker: &WorkerConfig, bundle: Bundle) -> Result<Vec<u8>> {
        let spinner = Spinner::start(format!("Building {}", worker.name));
        let toolchain = self.toolchain.clone();
        let built = tokio::task::spawn_blocking(move || toolchain.build(&bundle)).await?;
        drop(spinner);
        built.with_context(|| format!("{}: Worker `{}`", worker.path.display(), worker.name))
    }

    async fn install(&self) -> Result<()> {
        if self.toolchain.is_installed() {
            return Ok(());
        }
        progress::status(
            "Making",
            "the JavaScript engine, once for this version of Taffrail",
        );
        let spinner = Spinner::start("Fetching and making the JavaScript engine".to_owned());
        let toolchain = self.toolchain.clone();
        let made = tokio::task::spawn_blocking(move || toolchain.install()).await?;
        tell("Made", spinner.stop());
        Ok(made?)
    }

    async fn compile(&self, runtime: &Runtime) -> Result<Arc<Component>> {
        self.install().await?;
        let bytes = self.toolchain.engine()?;
        let spinner = Spinner::start("Compiling the JavaScript engine".to_owned());
        let compiler = runtime.clone();
        let engine = tokio::task::spawn_blocking(move || compiler.compile(&bytes)).await?;
        tell("Compiled", spinner.stop());
        Ok(Arc::new(
            engine.context("the JavaScript engine cannot run")?,
        ))
    }
}

impl LoadScript for JavaScript {
    fn load<'a>(&'a self, runtime: &'a Runtime, modules: Modules) -> Loading<'a> {
        Box::pin(async move {
            let host = |error: anyhow::Error| LoadError::Host(format!("{error:#}"));
            self.install().await.map_err(host)?;
            let toolchain = self.toolchain.clone();
            let bundle =
                tokio::task::spawn_blocking(move || bundle_modules(&toolchain, modules)).await;
            let bundle = bundle
                .map_err(anyhow::Error::from)
                .and_then(|bundle| bundle)
                .map_err(host)?
                .map_err(|wrong| LoadError::Module {
                    name: "SyntaxError".to_owned(),
                    message: wrong.message,
                    stack: wrong.place.map(|place| format!("    at {place}")),
                })?;
            self.script(runtime, &bundle).await.map_err(host)
        })
    }
}

fn bundle_modules(
    toolchain: &Toolchain,
    modules: Modules,
) -> Result<std::result::Result<Bundle, SyntaxError>> {
    let mut files = Vec::new();
    for (name, module) in modules.modules {
        let (kind, contents) = match module {
            Module::Js(text) | Module::CommonJs(text) => (ModuleKind::Js, text.into_bytes()),
            Module::Text(text) => (ModuleKind::Text, text.into_bytes()),
            Module::Json(value) => (ModuleKind::Json, value.to_string().into_bytes()),
            Module::Data(bytes) | Module::Wasm(bytes) => (ModuleKind::Data, bytes),
        };
        files.push(taffrail_javascript::Module {
            name,
            contents,
            kind,
        });
    }
    Ok(toolchain.bundle_modules(&modules.main, &files)?)
}

fn tell(done: &str, took: Duration) {
    if took > progress::WORTH_TELLING {
        let seconds = took.as_secs_f32();
        progress::status(done, &format!("the JavaScript engine in {seconds:.1} s"));
    }
}
