//! A compiled component whose imports are resolved.

use crate::component::names::{Names, unresolved};
use crate::error::Error;
use crate::instance::engine::{Awake, TABLES_PER_MEMORY, Ticker};
use std::sync::Arc;
use wasmtime::Engine;
use wasmtime::component::{Component, InstancePre, Linker};

/// Memories that a component may have: those of as many components that are
/// composed.
const MEMORIES: u32 = 16;

/// A component that can be instantiated in a store with data of type `T`.
pub(crate) struct Linked<T: 'static> {
    pub(crate) pre: InstancePre<T>,
    ticker: Arc<Ticker>,
    /// The places that an instance of it takes.
    size: usize,
}

impl<T: 'static> Linked<T> {
    /// Compiles `bytes`, or finds them compiled in the cache, and resolves their
    /// imports. `names` are those of `bytes`.
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
                .map_err(|error| unresolved(names, linker, &error))?,
            ticker: Arc::clone(ticker),
        })
    }

    pub(crate) fn engine(&self) -> &Engine {
        self.pre.engine()
    }

    /// The places that an instance of it takes.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// Keeps the engine's clock ticking while an invocation runs.
    pub(crate) fn keep_awake(&self) -> Awake {
        self.ticker.keep_awake()
    }
}

/// The places that an instance takes: as many as it has memories, or more if it
/// has many tables.
fn size(component: &Component) -> Result<usize, Error> {
    let Some(resources) = component.resources_required() else {
        return Err(Error::component(
            "it imports core modules, which nothing provides. Compose it with them",
        ));
    };
    let tables = TABLES_PER_MEMORY * MEMORIES;
    if resources.num_memories > MEMORIES || resources.num_tables > tables {
        return Err(Error::component(format!(
            "an instance of it has {} memories and {} tables; {MEMORIES} and {tables} are allowed. Compose it of fewer components",
            resources.num_memories, resources.num_tables
        )));
    }
    let for_tables = resources.num_tables.div_ceil(TABLES_PER_MEMORY);
    Ok(resources.num_memories.max(for_tables).max(1) as usize)
}
