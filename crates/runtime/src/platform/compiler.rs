//! Compiles components for the engines of one runtime.

use crate::component::inspection::Inspection;
use crate::component::linked::Library;
use crate::component::untrusted::{Compiled, Untrusted};
use crate::component::{Component, Names, damaged};
use crate::error::Error;
use crate::instance::engine::Engines;
use crate::instance::state::State;
use crate::interfaces;
use crate::script::{IsolateState, Script, ScriptEngine, engine};
use crate::worker::Code;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use taffrail_compiled::CodeFiles;
use wasmtime::Engine;
use wasmtime::component::Linker;

/// Compiles components for the [`Runtime`](crate::Runtime)s that it belongs to.
///
/// A cheap handle: clones share everything.
#[derive(Clone)]
pub struct Compiler(Arc<Shared>);

struct Shared {
    engines: Engines,
    files: Option<CodeFiles>,
    /// For components of WASI 0.2.
    sequential: OnceLock<Library<State>>,
    /// For components of WASI 0.3.
    concurrent: OnceLock<Library<State>>,
    /// For the JavaScript engine.
    scripts: OnceLock<Library<IsolateState>>,
    untrusted: Untrusted,
}

impl Shared {
    /// Returns what loads a Worker with these names.
    fn workers(&self, names: &Names) -> Result<&Library<State>, Error> {
        match names.any("@0.3.") {
            true => self.library(&self.concurrent, self.engines.concurrent()?, workers),
            false => self.library(&self.sequential, &self.engines.sequential, workers),
        }
    }

    /// Returns what loads the JavaScript engine.
    fn scripts(&self) -> Result<&Library<IsolateState>, Error> {
        self.library(&self.scripts, &self.engines.sequential, engine::linker)
    }

    /// Returns a library, which is made when it is first used. Most processes use only one.
    fn library<'a, T>(
        &self,
        library: &'a OnceLock<Library<T>>,
        engine: &Engine,
        linker: fn(&Engine) -> wasmtime::Result<Linker<T>>,
    ) -> Result<&'a Library<T>, Error> {
        if let Some(library) = library.get() {
            return Ok(library);
        }
        let clash = |error| Error::host("the host interfaces clash").caused_by(error);
        let linker = linker(engine).map_err(clash)?;
        Ok(library.get_or_init(|| Library::new(linker, &self.engines.ticker, self.files.clone())))
    }
}

/// Creates the linker that resolves the imports of Workers.
fn workers(engine: &Engine) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    interfaces::add_to_linker(&mut linker)?;
    Ok(linker)
}

impl Compiler {
    /// Creates a compiler for several runtimes, to be passed to
    /// [`Builder::compiler`](crate::Builder::compiler). Compiled components are kept in
    /// `cache`, from which their machine code is run: it must be writable only by users who may
    /// run code in this process. `instances` is the size of the pool that the runtimes share.
    ///
    /// # Errors
    ///
    /// Fails if the cache cannot be used, or if the system has no address space for the
    /// pool of instances.
    pub fn new(cache: Option<&Path>, instances: u32) -> Result<Self, Error> {
        Ok(Self(Arc::new(Shared {
            engines: Engines::new(
                cache.map(|cache| cache.join("compressed")).as_deref(),
                instances,
            )?,
            files: cache.map(|cache| CodeFiles::new(cache.join("mapped"))),
            sequential: OnceLock::new(),
            concurrent: OnceLock::new(),
            scripts: OnceLock::new(),
            untrusted: Untrusted::default(),
        })))
    }

    /// Compiles a component, or loads it from the cache. Compiling a large component takes
    /// seconds, and blocks the calling thread. A component that was built from a script yields
    /// that script.
    ///
    /// # Errors
    ///
    /// Fails if `bytes` are not a component, if the component has an import that is not provided,
    /// or if it exports no handler.
    pub fn compile(&self, bytes: &[u8]) -> Result<Code, Error> {
        let shared = &*self.0;
        let names = Names::read(bytes)?;
        if names.is_engine() {
            let engine = ScriptEngine::compile(&names, shared.scripts()?, bytes)?;
            return Script::built(engine, &names).map(Code::Script);
        }
        Component::compile(&names, shared.workers(&names)?, bytes).map(Code::Component)
    }

    /// Inspects a component that was read from `path`, which takes no time to
    /// speak of.
    ///
    /// # Errors
    ///
    /// When `bytes` are not a component, or it is damaged.
    pub fn inspect(&self, bytes: &[u8], path: &Path) -> Result<Inspection, Error> {
        let names = Names::read(bytes)?;
        let inspected = match names.is_engine() {
            true => Inspection::new(&names, self.0.scripts()?.linker(), bytes, path),
            false => Inspection::new(&names, self.0.workers(&names)?.linker(), bytes, path),
        };
        inspected.map_err(|error| damaged(&error))
    }

    /// Compiles the JavaScript engine, as [`compile`](Self::compile) does for components.
    ///
    /// # Errors
    ///
    /// Fails if `bytes` are not an engine.
    pub fn compile_engine(&self, bytes: &[u8]) -> Result<ScriptEngine, Error> {
        ScriptEngine::compile(&Names::read(bytes)?, self.0.scripts()?, bytes)
    }

    /// Compiles an untrusted component at run time: in a low-priority thread, a few at a time,
    /// and only if it is not too expensive to compile.
    ///
    /// # Errors
    ///
    /// As for [`compile`](Self::compile), and if the component is too expensive to compile.
    pub async fn compile_untrusted(
        &self,
        bytes: impl AsRef<[u8]> + Send + 'static,
    ) -> Result<Code, Error> {
        self.measure_untrusted(bytes).await.result
    }

    /// Like [`compile_untrusted`](Self::compile_untrusted), but also returns the CPU time that it
    /// took.
    pub(crate) async fn measure_untrusted(
        &self,
        bytes: impl AsRef<[u8]> + Send + 'static,
    ) -> Compiled<Code> {
        let compiler = self.clone();
        let compile = move |bytes: &[u8]| compiler.compile(bytes);
        self.0.untrusted.compile(bytes, compile).await
    }
}
