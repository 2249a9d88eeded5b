//! A compiled component whose imports are resolved.

use crate::component::names::Names;
use crate::component::provided::unresolved;
use crate::error::Error;
use crate::instance::engine::{Awake, TABLES_PER_MEMORY, Ticker};
use std::sync::Arc;
use wasmtime::Engine;
use wasmtime::component::{Component, InstancePre, Linker};

/// The most memories of a component: enough for this many components that are composed.
const MEMORIES: u32 = 16;

/// A component that can be instantiated in a store with data of type `T`.
pub(crate) struct Linked<T: 'static> {
    pub(crate) pre: InstancePre<T>,
    ticker: Arc<Ticker>,
    /// The number of places that an instance takes.
    size: usize,
}

impl<T: 'static> Linked<T> {
    /// Compiles `bytes`, or loads them from the cache, and resolves the imports. `names` are the
    /// names in `bytes`.
    pub(crate) fn compile(
        names: &Names,
        linker: &Linker<T>,
        ticker: &Arc<Ticker>,
        bytes: &[u8],
    ) -> Result<Self, Error> {
        let component = Component::new(linker.engine(), bytes).map_err(|error| {
            Error::component(format!(
                "the component is invalid: {error:#}. Build it again"
            ))
        })?;
        Ok(Self {
            size: size(&component)?,
            pre: linker
                .instantiate_pre(&component)
                .map_err(|error| unresolved(names, linker, bytes, &error))?,
            ticker: Arc::clone(ticker),
        })
    }

    pub(crate) fn engine(&self) -> &Engine {
        self.pre.engine()
    }

    /// Returns the number of places that an instance takes.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// Keeps the engine's epoch ticking while an invocation runs.
    pub(crate) fn keep_awake(&self) -> Awake {
        self.ticker.keep_awake()
    }
}

/// Returns the number of places that an instance takes: one for each memory, or more if it has
/// many tables.
fn size(component: &Component) -> Result<usize, Error> {
    let Some(resources) = component.resources_required() else {
        return Err(Error::component(
            "it imports core modules, which Taffrail does not provide. Compose it with them",
        ));
    };
    let tables = TABLES_PER_MEMORY * MEMORIES;
    if resources.num_memories > MEMORIES || resources.num_tables > tables {
        return Err(Error::component(format!(
            "an instance of it has {} memories and {} tables, but {MEMORIES} and {tables} are allowed. Compose fewer components",
            resources.num_memories, resources.num_tables
        )));
    }
    let for_tables = resources.num_tables.div_ceil(TABLES_PER_MEMORY);
    Ok(resources.num_memories.max(for_tables).max(1) as usize)
}
