//! esbuild as a WebAssembly program, which sees only the files that it is given.

use crate::clock;
use crate::run::{Command, Limit};
use crate::wasi::{self, Exited, Host};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread::{self, Thread};
use std::time::Duration;
use taffrail_compiled::{CodeFiles, hash};
use taffrail_toolchain::Error;
use wasmtime::{Config, Engine, InstancePre, Module, Store, StoreContextMut, UpdateDeadline};

/// How often a run is interrupted to check its limits.
const TICK: Duration = Duration::from_millis(5);

/// The wall time of a run. A run never waits for anything else, so this only
/// matters on a machine that is busy with other work.
const WALL_TIME: Duration = Duration::from_secs(120);

/// The stack of a run, of which wasmtime uses half a megabyte.
const STACK_BYTES: usize = 512 << 10;

/// The compiled program.
pub(crate) struct Esbuild {
    engine: Engine,
    program: InstancePre<Host>,
}

/// The end of a run.
pub(crate) struct Finished {
    pub(crate) end: Result<Success, Failure>,
    /// The CPU time that it took.
    pub(crate) cpu: Duration,
}

/// The files that a run wrote, by their paths.
pub(crate) type Success = BTreeMap<String, Vec<u8>>;

/// The reason why there is no result.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The messages of the program about its input.
    Said(String),
    Limit(Limit),
    Host(String),
}

impl Esbuild {
    /// Compiles the program, or loads it from `cache` if it was compiled before.
    pub(crate) fn compile(program: &[u8], cache: &Path) -> Result<Self, Error> {
        let failed = |error: wasmtime::Error| {
            Error::new(format!(
                "the bundler cannot be compiled and kept in `{}`: {error:#}; remove the folder and try again",
                cache.display()
            ))
        };
        let mut config = Config::new();
        config
            .max_wasm_stack(STACK_BYTES)
            .wasm_backtrace_max_frames(None)
            .epoch_interruption(true);
        let engine = Engine::new(&config).map_err(failed)?;
        let files = CodeFiles::new(cache);
        let module: Module = files
            .load(&engine, &hash(program), program)
            .map_err(failed)?;
        let linker = wasi::linker(&engine).map_err(failed)?;
        let program = linker.instantiate_pre(&module).map_err(failed)?;
        Ok(Self { engine, program })
    }

    /// Runs the program on this thread to its end, or until it exceeds a limit or
    /// `dropped` is true.
    pub(crate) fn run(
        &self,
        command: Command,
        dropped: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Finished {
        let ticking = AtomicBool::new(true);
        thread::scope(|scope| {
            let ticker = thread::Builder::new().name("taffrail-bundle-epoch".to_owned());
            match ticker.spawn_scoped(scope, || tick(&self.engine, &ticking)) {
                Ok(ticker) => {
                    let _stop = StopTicks(&ticking, ticker.thread().clone());
                    self.run_with_ticks(command, dropped)
                }
                Err(error) => Finished {
                    end: Err(Failure::Host(format!("no thread for the bundler: {error}"))),
                    cpu: Duration::ZERO,
                },
            }
        })
    }

    fn run_with_ticks(
        &self,
        command: Command,
        dropped: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Finished {
        let limit = command.limits.cpu;
        let cpu_began = clock::thread_cpu();
        let began = clock::monotonic();
        let mut store = Store::new(&self.engine, Host::new(command));
        store.limiter(|host| &mut host.memory);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(move |mut store: StoreContextMut<'_, Host>| {
            let passed = if dropped() {
                Limit::Dropped
            } else if clock::thread_cpu() - cpu_began > limit {
                Limit::Cpu
            } else if clock::monotonic() - began > WALL_TIME {
                Limit::WallTime
            } else {
                return Ok(UpdateDeadline::Continue(1));
            };
            store.data_mut().passed = Some(passed);
            wasmtime::bail!("the bundler has exceeded a limit")
        });
        let ended = self.program.instantiate(&mut store).and_then(|instance| {
            let start = instance.get_typed_func::<(), ()>(&mut store, "_start")?;
            start.call(&mut store, ())
        });
        Finished {
            end: store.into_data().end(ended),
            cpu: clock::thread_cpu() - cpu_began,
        }
    }
}

impl Host {
    /// The result of a run.
    fn end(self, ended: wasmtime::Result<()>) -> Result<Success, Failure> {
        let code = match &ended {
            Ok(()) => Some(0),
            Err(error) => error.downcast_ref::<Exited>().map(|Exited(code)| *code),
        };
        if code == Some(0) && self.passed.is_none() {
            return Ok(self.written);
        }
        let refused = self.memory.refused.then_some(Limit::Memory);
        if let Some(limit) = self.passed.or(refused) {
            return Err(Failure::Limit(limit));
        }
        let said = String::from_utf8_lossy(&self.said).trim_end().to_owned();
        Err(match (code, ended) {
            (Some(1), _) => Failure::Said(said),
            (Some(code), _) => Failure::Host(format!("the bundler ended with {code}: {said}")),
            (None, Err(error)) => Failure::Host(format!("the bundler failed: {error:#}")),
            (None, Ok(())) => Failure::Host("the bundler did not end".to_owned()),
        })
    }
}

fn tick(engine: &Engine, ticking: &AtomicBool) {
    while ticking.load(SeqCst) {
        thread::park_timeout(TICK);
        engine.increment_epoch();
    }
}

/// Ends the ticks when it is dropped, even by a panic.
struct StopTicks<'a>(&'a AtomicBool, Thread);

impl Drop for StopTicks<'_> {
    fn drop(&mut self) {
        self.0.store(false, SeqCst);
        self.1.unpark();
    }
}
