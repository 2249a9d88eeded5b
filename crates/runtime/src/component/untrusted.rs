//! Compiles the components that Workers load while they run: of strangers, for
//! all that is known.

use crate::clock;
use crate::component::{Component, effort};
use crate::error::Error;
use crate::invocation::lanes::NICENESS;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, oneshot};

/// Compiles of strangers at a time, so that they take neither all processors nor
/// all memory. One that has begun goes on without those who wait for it.
const PLACES: usize = 2;

/// Where untrusted components are compiled.
pub(crate) struct Untrusted(Arc<Semaphore>);

impl Default for Untrusted {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(PLACES)))
    }
}

/// What came of a compile, and the CPU time that it took.
pub(crate) struct Compiled<T> {
    pub(crate) result: Result<T, Error>,
    pub(crate) cpu: Duration,
}

impl Untrusted {
    /// Has `compile` run in a thread of its own, of a low priority, unless `bytes`
    /// take too much. Dropping the future before that begins takes it out of the
    /// queue.
    pub(crate) async fn compile<T: Send + 'static>(
        &self,
        bytes: impl AsRef<[u8]> + Send + 'static,
        compile: impl FnOnce(&[u8]) -> Result<T, Error> + Send + 'static,
    ) -> Compiled<T> {
        let failed = |result| Compiled {
            result: Err(result),
            cpu: Duration::ZERO,
        };
        // It fails only when it is closed, which it never is.
        let place = Arc::clone(&self.0).acquire_owned().await.ok();
        let (send, received) = oneshot::channel();
        let work = move || {
            let started = clock::thread_cpu_ns();
            let bytes = bytes.as_ref();
            let result = check(bytes).and_then(|()| compile(bytes));
            let cpu = Duration::from_nanos(clock::thread_cpu_ns().saturating_sub(started));
            drop(place);
            _ = send.send(Compiled { result, cpu });
        };
        // Wasmtime compiles in the pool of the thread that asks for it. In a pool of
        // one thread all of it is done, and charged, here.
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(1)
            .thread_name(|_| "taffrail-compile".to_owned())
            .start_handler(|_| {
                // Where it is refused, the threads compete as equals.
                _ = rustix::process::setpriority_process(None, NICENESS);
            })
            // Whoever waits hears of it by the lost sender.
            .panic_handler(|_| {})
            .build();
        match pool {
            Ok(pool) => pool.spawn(work),
            Err(error) => {
                return failed(
                    Error::host("the thread for a compile cannot start").caused_by(error),
                );
            }
        }
        let broken = || failed(Error::host("the compile was given up".to_owned()));
        received.await.unwrap_or_else(|_| broken())
    }
}

fn check(bytes: &[u8]) -> Result<(), Error> {
    Component::check(bytes)?;
    effort::check(bytes).map_err(|refusal| Error::component(refusal.to_string()))
}
