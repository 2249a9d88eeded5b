//! Compiles components that Workers load at run time, which are untrusted.

use crate::clock;
use crate::component::{Component, effort};
use crate::error::Error;
use crate::invocation::lanes::NICENESS;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, oneshot};

/// Concurrent compilations of untrusted components, so that they take neither all processors nor
/// all memory. A compilation that has begun is completed even if its caller is gone.
const PLACES: usize = 2;

/// Limits the compilation of untrusted components.
pub(crate) struct Untrusted(Arc<Semaphore>);

impl Default for Untrusted {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(PLACES)))
    }
}

/// The result of a compilation, and the CPU time that it took.
pub(crate) struct Compiled<T> {
    pub(crate) result: Result<T, Error>,
    pub(crate) cpu: Duration,
}

impl Untrusted {
    /// Runs `compile` in a low-priority thread of its own, unless `bytes` are too expensive to
    /// compile. Dropping the future before the compilation begins removes it from the queue.
    pub(crate) async fn compile<T: Send + 'static>(
        &self,
        bytes: impl AsRef<[u8]> + Send + 'static,
        compile: impl FnOnce(&[u8]) -> Result<T, Error> + Send + 'static,
    ) -> Compiled<T> {
        let failed = |result| Compiled {
            result: Err(result),
            cpu: Duration::ZERO,
        };
        // Fails only if the semaphore is closed, which it never is.
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
        // Wasmtime compiles in the calling thread's rayon pool. In a pool of one thread, all work
        // is done, and measured, here.
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(1)
            .thread_name(|_| "taffrail-compile".to_owned())
            .start_handler(|_| {
                // If this is refused, the threads compete as equals.
                _ = rustix::process::setpriority_process(None, NICENESS);
            })
            // The receiver notices the dropped sender.
            .panic_handler(|_| {})
            .build();
        match pool {
            Ok(pool) => pool.spawn(work),
            Err(error) => {
                return failed(
                    Error::host("the thread for a compilation cannot start").caused_by(error),
                );
            }
        }
        let broken = || failed(Error::host("the compilation panicked".to_owned()));
        received.await.unwrap_or_else(|_| broken())
    }
}

fn check(bytes: &[u8]) -> Result<(), Error> {
    Component::check(bytes)?;
    effort::check(bytes).map_err(|refusal| Error::component(refusal.to_string()))
}
