//! The wasmtime engines and the clock tick that interrupts guests.

use crate::error::Error;
use crate::places::RESERVED_FOR_TAILS;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, Thread};
use std::time::Duration;
use wasmtime::{
    Cache, CacheConfig, Config, Enabled, Engine, InstanceAllocationStrategy,
    PoolingAllocationConfig, WasmBacktraceDetails,
};

/// How often a running guest is interrupted to check its CPU time and to let others run. It
/// bounds how far a limit can be exceeded.
const TICK: Duration = Duration::from_millis(1);

/// Tables that a component may have for each of its memories. The pool has this many tables for
/// each of its memories.
pub(crate) const TABLES_PER_MEMORY: u32 = 4;

/// The most core instances in a component. Components made from Python have about 30.
const CORE_INSTANCES: u32 = 128;

/// Memory that a pool slot retains between two uses: resetting it is cheaper than faulting it in
/// again.
const MEMORY_KEEP_RESIDENT: usize = 4 << 20;
const TABLE_KEEP_RESIDENT: usize = 1 << 20;

/// The two engines. Each reserves address space for the memories of all instances.
pub(crate) struct Engines {
    /// For components of WASI 0.2. Without support for concurrency inside an instance, a call
    /// costs a fifth and a fresh instance two thirds.
    pub(crate) sequential: Engine,
    /// For components of WASI 0.3, once there is one.
    concurrent: OnceLock<Engine>,
    pub(crate) ticker: Arc<Ticker>,
    cache: Option<Cache>,
    places: u32,
}

impl Engines {
    /// Creates engines in which as many instances may exist as there are places.
    pub(crate) fn new(cache: Option<&Path>, instances: u32) -> Result<Self, Error> {
        let places = instances.saturating_add(RESERVED_FOR_TAILS);
        let cache = cache.map(open_cache).transpose()?;
        let sequential = engine(false, cache.clone(), places)?;
        let ticker = Ticker::start()?;
        ticker.add(&sequential);
        Ok(Self {
            sequential,
            concurrent: OnceLock::new(),
            ticker: Arc::new(ticker),
            cache,
            places,
        })
    }

    /// Returns the engine for components of WASI 0.3.
    pub(crate) fn concurrent(&self) -> Result<&Engine, Error> {
        if let Some(engine) = self.concurrent.get() {
            return Ok(engine);
        }
        let created = engine(true, self.cache.clone(), self.places)?;
        Ok(self.concurrent.get_or_init(|| {
            self.ticker.add(&created);
            created
        }))
    }
}

fn engine(concurrent: bool, cache: Option<Cache>, places: u32) -> Result<Engine, Error> {
    Engine::new(&config(concurrent, cache, places))
        .map_err(|error| Error::host("wasmtime cannot start").caused_by(error))
}

fn open_cache(directory: &Path) -> Result<Cache, Error> {
    let mut config = CacheConfig::new();
    config.with_directory(directory);
    Cache::new(config).map_err(|error| {
        Error::host(format!(
            "the cache of compiled components in `{}` cannot be used",
            directory.display()
        ))
        .caused_by(error)
    })
}

fn config(concurrent: bool, cache: Option<Cache>, places: u32) -> Config {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(places)
        // Each stack costs a system call at the start. Components of WASI 0.3 run their tasks on
        // further stacks.
        .total_stacks(places.saturating_mul(if concurrent { 2 } else { 1 }))
        // This only counts and reserves nothing, so it can be generous.
        .total_core_instances(places.saturating_mul(CORE_INSTANCES))
        .max_core_instances_per_component(CORE_INSTANCES)
        .total_memories(places)
        .total_tables(places.saturating_mul(TABLES_PER_MEMORY))
        .linear_memory_keep_resident(MEMORY_KEEP_RESIDENT)
        .table_keep_resident(TABLE_KEEP_RESIDENT)
        .pagemap_scan(Enabled::Auto);
    let mut config = Config::new();
    config
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool))
        .cache(cache)
        .epoch_interruption(true)
        // `component::debug` keeps what it has parsed. Wasmtime parses it again for each stack.
        .wasm_backtrace_details(WasmBacktraceDetails::Disable);
    if concurrent {
        config.wasm_component_model_async(true);
    } else {
        config.concurrency_support(false);
    }
    config
}

/// A thread that advances the epoch of the engines while invocations run. It sleeps when nothing
/// runs, and ends when this is dropped.
pub(crate) struct Ticker {
    shared: Arc<Shared>,
    thread: Thread,
}

#[derive(Default)]
struct Shared {
    /// The number of running invocations.
    running: AtomicUsize,
    /// Whether the thread sleeps until it is woken.
    parked: AtomicBool,
    stop: AtomicBool,
    engines: Mutex<Vec<Engine>>,
}

impl Shared {
    fn engines(&self) -> MutexGuard<'_, Vec<Engine>> {
        self.engines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ticks without an invocation before the thread goes to sleep. Waking it costs a system call,
/// which a busy server avoids.
const IDLE_TICKS: u32 = 100;

impl Ticker {
    fn start() -> Result<Self, Error> {
        let shared = Arc::new(Shared::default());
        let seen = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("taffrail-epoch".to_owned())
            .spawn(move || tick(&seen))
            .map_err(|error| Error::host("the epoch thread cannot start").caused_by(error))?;
        Ok(Self {
            shared,
            thread: thread.thread().clone(),
        })
    }

    fn add(&self, engine: &Engine) {
        self.shared.engines().push(engine.clone());
    }

    /// Keeps the thread ticking until the guard is dropped.
    pub(crate) fn keep_awake(self: &Arc<Self>) -> Awake {
        // Sequentially consistent on both sides: either the thread sees the count, or this code
        // sees that the thread is parked.
        self.shared.running.fetch_add(1, SeqCst);
        if self.shared.parked.load(SeqCst) {
            self.thread.unpark();
        }
        Awake(Arc::clone(self))
    }
}

/// Keeps the thread ticking for one running invocation.
pub(crate) struct Awake(Arc<Ticker>);

impl Drop for Awake {
    fn drop(&mut self) {
        self.0.shared.running.fetch_sub(1, SeqCst);
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.stop.store(true, SeqCst);
        self.thread.unpark();
    }
}

fn tick(shared: &Shared) {
    let mut idle = 0;
    while !shared.stop.load(SeqCst) {
        if shared.running.load(SeqCst) > 0 {
            idle = 0;
        } else {
            idle += 1;
        }
        if idle > IDLE_TICKS {
            idle = 0;
            shared.parked.store(true, SeqCst);
            if shared.running.load(SeqCst) == 0 && !shared.stop.load(SeqCst) {
                thread::park();
            }
            shared.parked.store(false, SeqCst);
        }
        thread::sleep(TICK);
        shared.engines().iter().for_each(Engine::increment_epoch);
    }
}
