//! Compiles components for the engines of one runtime.

use crate::component::untrusted::{Compiled, Untrusted};
use crate::component::{Component, Names};
use crate::error::Error;
use crate::instance::engine::{Engines, Ticker};
use crate::instance::state::State;
use crate::interfaces;
use crate::script::{IsolateState, Script, ScriptEngine, engine};
use crate::worker::Code;
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
    sequential: Linker<State>,
    /// For components of WASI 0.3.
    concurrent: Linker<State>,
    /// For the JavaScript engine.
    scripts: Linker<IsolateState>,
    ticker: Arc<Ticker>,
    untrusted: Untrusted,
}

/// What resolves the imports of Workers.
fn workers(engine: &Engine) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    interfaces::add_to_linker(&mut linker)?;
    Ok(linker)
}

impl Compiler {
    pub(crate) fn new(engines: Engines) -> Result<Self, Error> {
        let clash = |error| Error::host("the host interfaces clash").caused_by(error);
        Ok(Self(Arc::new(Shared {
            sequential: workers(&engines.sequential).map_err(clash)?,
            concurrent: workers(&engines.concurrent).map_err(clash)?,
            scripts: engine::linker(&engines.sequential).map_err(clash)?,
            ticker: engines.ticker,
            untrusted: Untrusted::default(),
        })))
    }

    /// Compiles a component, or finds it in the cache. This takes seconds for
    /// a large component and blocks the calling thread. One that was built of a
    /// script comes to that script.
    ///
    /// # Errors
    ///
    /// When `bytes` are not a component, when it imports something that is not
    /// provided, and when it exports no handler.
    pub fn compile(&self, bytes: &[u8]) -> Result<Code, Error> {
        let shared = &*self.0;
        let names = Names::read(bytes)?;
        if names.is_engine() {
            let engine = ScriptEngine::compile(&names, &shared.scripts, &shared.ticker, bytes)?;
            return Script::built(engine, &names).map(Code::Script);
        }
        let linker = match names.any("@0.3.") {
            true => &shared.concurrent,
            false => &shared.sequential,
        };
        Component::compile(&names, linker, &shared.ticker, bytes).map(Code::Component)
    }

    /// Compiles the JavaScript engine, as [`compile`](Self::compile) compiles a
    /// component.
    ///
    /// # Errors
    ///
    /// When `bytes` are not an engine.
    pub fn compile_engine(&self, bytes: &[u8]) -> Result<ScriptEngine, Error> {
        let Shared {
            scripts, ticker, ..
        } = &*self.0;
        ScriptEngine::compile(&Names::read(bytes)?, scripts, ticker, bytes)
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
    pub fn compile_from(&self, bytes: &[u8], path: &Path) -> Result<Code, Error> {
        Ok(match self.compile(bytes)? {
            Code::Component(component) => Code::Component(component.with_debug_file(bytes, path)),
            code => code,
        })
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
    ) -> Result<Code, Error> {
        self.measure_untrusted(bytes).await.result
    }

    /// As [`compile_untrusted`](Self::compile_untrusted), with the CPU time that
    /// it took.
    pub(crate) async fn measure_untrusted(
        &self,
        bytes: impl AsRef<[u8]> + Send + 'static,
    ) -> Compiled<Code> {
        let compiler = self.clone();
        let compile = move |bytes: &[u8]| compiler.compile(bytes);
        self.0.untrusted.compile(bytes, compile).await
    }
}
