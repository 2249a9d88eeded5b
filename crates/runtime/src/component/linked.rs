//! Compiled components whose imports are resolved.

use crate::component::debug::Embedded;
use crate::component::names::Names;
use crate::component::provided::unresolved;
use crate::error::Error;
use crate::instance::engine::{Awake, TABLES_PER_MEMORY, Ticker};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use taffrail_compiled::{CodeFiles, LARGE, hash};
use wasmtime::Engine;
use wasmtime::component::{Component, InstancePre, Linker};

/// The most memories of a component: enough for this many components that are composed.
const MEMORIES: u32 = 16;

/// Compiles components whose stores have data of type `T`. Those of the same bytes share their code
/// and their debug information while one of them is in use.
pub(crate) struct Library<T: 'static> {
    linker: Linker<T>,
    ticker: Arc<Ticker>,
    /// Compiled code that is kept, if there is a folder for it.
    files: Option<CodeFiles>,
    in_use: Mutex<InUse<T>>,
}

/// The shared parts of components, by the hash of their bytes.
type InUse<T> = HashMap<[u8; 32], Weak<Shared<T>>>;

/// The part that components of the same bytes share.
struct Shared<T: 'static> {
    pre: InstancePre<T>,
    /// The number of places that an instance takes.
    size: usize,
    debug: OnceLock<Arc<Embedded>>,
}

impl<T: 'static> Library<T> {
    /// Creates a library whose components find their imports in `linker`.
    pub(crate) fn new(linker: Linker<T>, ticker: &Arc<Ticker>, files: Option<CodeFiles>) -> Self {
        Self {
            linker,
            ticker: Arc::clone(ticker),
            files,
            in_use: Mutex::default(),
        }
    }

    /// Returns what resolves the imports.
    pub(crate) fn linker(&self) -> &Linker<T> {
        &self.linker
    }

    /// Compiles `bytes`, or loads them from the cache, and resolves the imports. `names` are the
    /// names in `bytes`.
    pub(crate) fn load(&self, names: &Names, bytes: &[u8]) -> Result<Linked<T>, Error> {
        let key = hash(bytes);
        let known = self.in_use().get(&key).and_then(Weak::upgrade);
        let shared = match known {
            Some(shared) => shared,
            None => {
                let shared = Arc::new(self.compile(names, &key, bytes)?);
                let mut in_use = self.in_use();
                in_use.retain(|_, shared| shared.strong_count() > 0);
                in_use.insert(key, Arc::downgrade(&shared));
                shared
            }
        };
        Ok(Linked {
            shared,
            ticker: Arc::clone(&self.ticker),
        })
    }

    fn compile(&self, names: &Names, key: &[u8; 32], bytes: &[u8]) -> Result<Shared<T>, Error> {
        let engine = self.linker.engine();
        let component = match &self.files {
            Some(files) if bytes.len() >= LARGE => files.load(engine, key, bytes),
            _ => Component::new(engine, bytes),
        };
        let component = component.map_err(|error| {
            Error::component(format!(
                "the component is invalid: {error:#}. Build it again"
            ))
        })?;
        Ok(Shared {
            size: size(&component)?,
            pre: self
                .linker
                .instantiate_pre(&component)
                .map_err(|error| unresolved(names, &self.linker, bytes, &error))?,
            debug: OnceLock::new(),
        })
    }

    fn in_use(&self) -> MutexGuard<'_, InUse<T>> {
        self.in_use.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A component that can be instantiated in a store with data of type `T`.
pub(crate) struct Linked<T: 'static> {
    shared: Arc<Shared<T>>,
    ticker: Arc<Ticker>,
}

impl<T: 'static> Linked<T> {
    /// Returns the component with its imports resolved.
    pub(crate) fn pre(&self) -> &InstancePre<T> {
        &self.shared.pre
    }

    pub(crate) fn engine(&self) -> &Engine {
        self.pre().engine()
    }

    /// Returns the debug information in the component, whose bytes are `bytes`.
    pub(super) fn debug(&self, bytes: &[u8]) -> Arc<Embedded> {
        let read = || Arc::new(Embedded::of(bytes));
        Arc::clone(self.shared.debug.get_or_init(read))
    }

    /// Returns the number of places that an instance takes.
    pub(crate) fn size(&self) -> usize {
        self.shared.size
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instance::engine::Engines;

    /// Components without anything, and one with a custom section.
    const EMPTY: &[u8] = b"\0asm\x0d\0\x01\0";
    const OTHER: &[u8] = b"\0asm\x0d\0\x01\0\0\x02\x01a";

    #[test]
    fn components_of_the_same_bytes_share_their_code() {
        let engines = Engines::new(None, 4).unwrap();
        let linker = Linker::<()>::new(&engines.sequential);
        let library = Library::new(linker, &engines.ticker, None);
        let load = |bytes| {
            let names = Names::read(bytes).unwrap();
            library.load(&names, bytes).unwrap()
        };
        let (first, second, other) = (load(EMPTY), load(EMPTY), load(OTHER));
        assert!(Arc::ptr_eq(&first.shared, &second.shared));
        assert!(!Arc::ptr_eq(&first.shared, &other.shared));

        drop((first, second));
        load(EMPTY);
        drop(other);
        load(OTHER);
        assert_eq!(library.in_use().len(), 1);
    }
}
