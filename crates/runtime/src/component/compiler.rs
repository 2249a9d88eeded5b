//! Compiles components for the engines of one runtime.

use crate::component::untrusted::{Compiled, Untrusted};
use crate::component::{Component, Names};
use crate::error::Error;
use crate::instance::engine::{Engines, Ticker};
use crate::instance::state::State;
use crate::interfaces;
use crate::interfaces::javascript;
use std::path::Path;
use std::sync::Arc;
use wasmtime::Engine;
use wasmtime::component::Linker;

/// Compiles components, to be run by the [`Runtime`](crate::Runtime) that it
/// belongs to.
///
/// A cheap handle: clones share everything.
#[derive(Clone)]
pub struct Compiler(Arc<Shared>);

struct Shared {
    /// For components of WASI 0.2.
    sequential: Target,
    /// For components of WASI 0.3.
    concurrent: Target,
    ticker: Arc<Ticker>,
    untrusted: Untrusted,
}

/// An engine, and what resolves the imports of its components.
pub(super) struct Target {
    pub(super) engine: Engine,
    /// For Workers.
    pub(super) workers: Linker<State>,
    /// For JavaScript engines, which ask their host for what no Worker may.
    pub(super) scripts: Linker<State>,
}

impl Target {
    fn new(engine: Engine) -> Result<Self, Error> {
        let clash = |error| Error::host(format!("the host interfaces clash: {error:#}"));
        let mut workers = Linker::new(&engine);
        interfaces::add_to_linker(&mut workers, |state| state).map_err(clash)?;
        let mut scripts = workers.clone();
        javascript::add_to_linker(&mut scripts, |state| state).map_err(clash)?;
        Ok(Self {
            engine,
            workers,
            scripts,
        })
    }
}

impl Compiler {
    pub(crate) fn new(engines: Engines) -> Result<Self, Error> {
        Ok(Self(Arc::new(Shared {
            sequential: Target::new(engines.sequential)?,
            concurrent: Target::new(engines.concurrent)?,
            ticker: engines.ticker,
            untrusted: Untrusted::default(),
        })))
    }

    /// Compiles a component, or finds it in the cache. This takes seconds for
    /// a large component and blocks the calling thread.
    ///
    /// # Errors
    ///
    /// When `bytes` are not a component, when it imports something that is not
    /// provided, and when it exports no handler.
    pub fn compile(&self, bytes: &[u8]) -> Result<Component, Error> {
        let Shared {
            sequential,
            concurrent,
            ticker,
            ..
        } = &*self.0;
        let names = Names::read(bytes)?;
        names.check_handlers()?;
        let target = if names.any("@0.3.") {
            concurrent
        } else {
            sequential
        };
        Component::compile(names, target, ticker, bytes)
    }

    /// Compiles a component that was read from `path`. Debug information that
    /// it lacks is looked for beside it: for `X.wasm` in `X.debug.wasm`, else in
    /// the file that a section `external_debug_info` of a core module in it
    /// names (WebAssembly tool conventions). That file is read when the first
    /// stack is made.
    ///
    /// # Errors
    ///
    /// Those of [`compile`](Self::compile).
    pub fn compile_from(&self, bytes: &[u8], path: &Path) -> Result<Component, Error> {
        Ok(self.compile(bytes)?.with_debug_file(bytes, path))
    }

    /// Compiles an untrusted component while others run: in a thread of a low
    /// priority, a few at a time, and only if that does not take too much.
    ///
    /// # Errors
    ///
    /// Those of [`compile`](Self::compile), and when it takes too much.
    pub async fn compile_untrusted(
        &self,
        bytes: impl AsRef<[u8]> + Send + 'static,
    ) -> Result<Component, Error> {
        self.measure_untrusted(bytes).await.result
    }

    /// As [`compile_untrusted`](Self::compile_untrusted), with the CPU time that
    /// it took.
    pub(crate) async fn measure_untrusted(
        &self,
        bytes: impl AsRef<[u8]> + Send + 'static,
    ) -> Compiled {
        let compiler = self.clone();
        let compile = move |bytes: &[u8]| compiler.compile(bytes);
        self.0.untrusted.compile(bytes, compile).await
    }
}
