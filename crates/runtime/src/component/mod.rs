//! Compiles components and runs their handlers.

pub(crate) mod debug;
mod effort;
pub(crate) mod failure;
mod handlers;
pub(crate) mod inspection;
pub(crate) mod instance;
pub(crate) mod linked;
mod names;
mod provided;
pub(crate) mod run;
pub(crate) mod stack;
pub(crate) mod untrusted;

use crate::component::debug::Debug;
use crate::component::handlers::{Exported, Handlers};
use crate::component::linked::{Library, Linked};
pub(crate) use crate::component::names::Names;
use crate::component::names::REBUILD;
pub(crate) use crate::component::names::damaged;
use crate::error::Error;
use crate::event::Event;
use crate::instance::engine::Awake;
use crate::instance::state::State;
use std::io;
use std::path::Path;
use std::sync::Arc;
use wasmtime::component::InstancePre;

/// The default number of events that an instance of a Tail Worker or of a component for WASI 0.3
/// handles: as many as in `wasmtime serve`.
const EVENTS_PER_INSTANCE: u32 = 128;

/// A compiled component with its imports resolved.
pub struct Component {
    handlers: Handlers,
    pub(crate) debug: Debug,
    linked: Linked<State>,
}

impl Component {
    /// Whether the component has a handler for fetch events.
    #[must_use]
    pub fn handles_fetch(&self) -> bool {
        self.handlers.have_fetch()
    }

    /// Whether the component has a handler for tail events.
    #[must_use]
    pub fn handles_tail(&self) -> bool {
        self.handlers.have_tail()
    }

    /// Returns how many events an instance handles by default. The Workers of WASI 0.2 are often
    /// written for one.
    pub(crate) fn events_per_instance(&self, event: &Event) -> u32 {
        match event {
            Event::Tail(_) | Event::TailStream(_) => EVENTS_PER_INSTANCE,
            _ if self.handlers.have_fetch_p3() => EVENTS_PER_INSTANCE,
            _ => 1,
        }
    }

    /// Returns the component with its imports resolved.
    pub(crate) fn pre(&self) -> &InstancePre<State> {
        self.linked.pre()
    }

    /// Returns the number of places that an instance takes.
    pub(crate) fn size(&self) -> usize {
        self.linked.size()
    }

    /// Keeps the engine's epoch ticking while an invocation runs.
    pub(crate) fn keep_awake(&self) -> Awake {
        self.linked.keep_awake()
    }

    /// Adds source lines to its stacks from debug information in a file beside `path`, from which
    /// the component's `bytes` were read: for `X.wasm` in `X.debug.wasm`, or else in the file that
    /// the section `external_debug_info` of one of its core modules names (WebAssembly tool
    /// conventions). `read` reads the file when the first stack is captured.
    #[must_use]
    pub fn with_debug_file(
        mut self,
        bytes: &[u8],
        path: &Path,
        read: impl Fn(&Path) -> io::Result<Arc<[u8]>> + Send + Sync + 'static,
    ) -> Self {
        self.debug = self.debug.with_file(bytes, path, read);
        self
    }

    /// Checks that `bytes` are a component.
    pub(crate) fn check(bytes: &[u8]) -> Result<(), Error> {
        Names::read(bytes).map(drop)
    }

    /// Compiles `bytes`, whose names are `names`, or loads them from the cache.
    pub(crate) fn compile(
        names: &Names,
        library: &Library<State>,
        bytes: &[u8],
    ) -> Result<Self, Error> {
        names.check_handlers()?;
        let linked = library.load(names, bytes)?;
        let exported = Exported::new(library.linker(), linked.pre());
        let handlers = exported.and_then(|exported| Handlers::new(&names.exports, &exported));
        let handlers = handlers.map_err(|error| {
            Error::component(format!(
                "an exported handler does not have the type that its name requires: {error:#}. {REBUILD}"
            ))
        })?;
        Ok(Self {
            handlers,
            debug: Debug::new(linked.debug(bytes)),
            linked,
        })
    }
}
