//! The wasmtime engines and the clock tick that interrupts guests.

use crate::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::Duration;
use wasmtime::{
    Cache, CacheConfig, Config, Enabled, Engine, InstanceAllocationStrategy,
    PoolingAllocationConfig, WasmBacktraceDetails,
};

/// How often a running guest is interrupted to look at its CPU time and to let
/// others run. It bounds how far a limit can be overrun.
const TICK: Duration = Duration::from_millis(1);

/// Instances that may exist at a time in one engine. A component may consist
/// of several core instances with a memory and tables each.
const INSTANCES: u32 = 1000;
const CORE_INSTANCES: u32 = 4 * INSTANCES;

/// Memory that stays with a pool slot between two uses: resetting it is
/// cheaper than faulting it in again.
const MEMORY_KEEP_RESIDENT: usize = 4 << 20;
const TABLE_KEEP_RESIDENT: usize = 1 << 20;

/// The two engines.
pub(crate) struct Engines {
    /// For components of WASI 0.2: without support for concurrency inside an
    /// instance, a call costs a fifth and a fresh instance two thirds.
    pub(crate) sequential: Engine,
    /// For components of WASI 0.3.
    pub(crate) concurrent: Engine,
    _ticker: Ticker,
}

impl Engines {
    pub(crate) fn new(cache: Option<&Path>) -> Result<Self, Error> {
        let cache = cache.map(open_cache).transpose()?;
        let engine = |concurrent| {
            Engine::new(&config(concurrent, cache.clone()))
                .map_err(|error| Error::host(format!("wasmtime cannot start: {error:#}")))
        };
        let sequential = engine(false)?;
        let concurrent = engine(true)?;
        let ticker = Ticker::start([sequential.clone(), concurrent.clone()])?;
        Ok(Self {
            sequential,
            concurrent,
            _ticker: ticker,
        })
    }
}

fn open_cache(directory: &Path) -> Result<Cache, Error> {
    let mut config = CacheConfig::new();
    config.with_directory(directory);
    Cache::new(config).map_err(|error| {
        Error::host(format!(
            "the cache of compiled components in `{}` cannot be used: {error:#}",
            directory.display()
        ))
    })
}

fn config(concurrent: bool, cache: Option<Cache>) -> Config {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(INSTANCES)
        .total_stacks(INSTANCES)
        .total_core_instances(CORE_INSTANCES)
        .total_memories(INSTANCES)
        .total_tables(CORE_INSTANCES)
        .linear_memory_keep_resident(MEMORY_KEEP_RESIDENT)
        .table_keep_resident(TABLE_KEEP_RESIDENT)
        .pagemap_scan(Enabled::Auto);
    let mut config = Config::new();
    config
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool))
        .cache(cache)
        .epoch_interruption(true)
        .wasm_backtrace_details(WasmBacktraceDetails::Disable);
    if concurrent {
        config.wasm_component_model_async(true);
    } else {
        config.concurrency_support(false);
    }
    config
}

/// A thread that advances the epoch of the engines until it is dropped.
struct Ticker {
    stop: Arc<AtomicBool>,
}

impl Ticker {
    fn start(engines: [Engine; 2]) -> Result<Self, Error> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        thread::Builder::new()
            .name("taffrail-epoch".to_owned())
            .spawn(move || {
                while !stopped.load(Relaxed) {
                    thread::sleep(TICK);
                    engines.iter().for_each(Engine::increment_epoch);
                }
            })
            .map_err(|error| Error::host(format!("the epoch thread cannot start: {error}")))?;
        Ok(Self { stop })
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
    }
}
