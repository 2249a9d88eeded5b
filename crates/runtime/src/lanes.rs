//! Where invocations run, so that those that compute much do not hold up those
//! that do not.

use crate::error::Error;
use crate::invocation::Invocation;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio_util::task::AbortOnDropHandle;

/// CPU time after which an invocation leaves the threads that also serve
/// sockets.
const HEAVY: Duration = Duration::from_millis(5);

/// The niceness of the threads for heavy invocations: about a tenth of the
/// weight of the others, and all of a processor that is idle otherwise.
const NICENESS: i32 = 10;

/// The threads for heavy invocations. Light ones run where they are called.
pub(crate) struct Lanes {
    /// Taken when this is dropped.
    heavy: Option<Runtime>,
}

impl Lanes {
    pub(crate) fn new() -> Result<Self, Error> {
        let heavy = Builder::new_multi_thread()
            .thread_name("taffrail-heavy")
            .on_thread_start(|| {
                // Where it is refused, the threads compete as equals.
                _ = rustix::process::setpriority_process(None, NICENESS);
            })
            .enable_all()
            .build()
            .map_err(|error| {
                Error::host(format!(
                    "the threads for heavy Workers cannot start: {error}"
                ))
            })?;
        Ok(Self { heavy: Some(heavy) })
    }

    /// Runs an invocation here while it is light, and elsewhere from then on.
    /// Dropping the future drops the run, wherever it is.
    pub(crate) async fn run(
        &self,
        invocation: Arc<Invocation>,
        run: impl Future<Output = ()> + Send + 'static,
    ) {
        let mut run = Box::pin(run);
        let heavy = tokio::select! {
            biased;
            () = &mut run => return,
            () = until_heavy(&invocation) => self.heavy.as_ref(),
        };
        match heavy {
            // A panic over there has been recorded where it happened.
            Some(heavy) => _ = AbortOnDropHandle::new(heavy.spawn(run)).await,
            None => run.await,
        }
    }
}

/// Ready once the invocation is heavy. It registers no waker: it is polled
/// after each turn of the guest, and nothing else makes a guest heavier.
async fn until_heavy(invocation: &Invocation) {
    poll_fn(|_| {
        if invocation.cpu.used() > HEAVY {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}

impl Drop for Lanes {
    fn drop(&mut self) {
        if let Some(heavy) = self.heavy.take() {
            // Waiting for the threads is not allowed where this may happen.
            heavy.shutdown_background();
        }
    }
}
