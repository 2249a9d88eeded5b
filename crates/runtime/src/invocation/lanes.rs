//! The threads that run invocations. Those that use much CPU time do not hold up the others.

use crate::error::Error;
use crate::invocation::Invocation;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio_util::task::AbortOnDropHandle;

/// CPU time after which an invocation leaves the threads that also serve sockets.
pub(crate) const HEAVY: Duration = Duration::from_millis(5);

/// The niceness of the threads for heavy invocations. It gives them about a tenth of the weight
/// of the other threads, and all of an otherwise idle processor.
pub(crate) const NICENESS: i32 = 10;

/// The threads for heavy invocations and those for the calls of Tail Workers. All other work runs
/// on the caller's thread.
///
/// The kernel shares the processors between the threads for tails and those that serve sockets,
/// so tails have a share however many connections there are. As tasks among those of the
/// connections they would get one turn in hundreds.
pub(crate) struct Lanes {
    /// Both are taken when this is dropped.
    heavy: Option<Runtime>,
    tails: Option<Runtime>,
    /// The threads that run the calls of Tail Workers.
    pub(crate) tail_lane: Handle,
}

impl Lanes {
    pub(crate) fn new() -> Result<Self, Error> {
        let heavy = threads("taffrail-heavy", || {
            // If this is refused, the threads compete as equals.
            _ = rustix::process::setpriority_process(None, NICENESS);
        })?;
        let tails = threads("taffrail-tails", || {})?;
        Ok(Self {
            tail_lane: tails.handle().clone(),
            heavy: Some(heavy),
            tails: Some(tails),
        })
    }

    /// Runs an invocation on this thread while it is light, and on the heavy threads from then
    /// on. Dropping the future drops the run, wherever it is. `items` multiplies the CPU time up
    /// to which the run counts as light, since it handles that many items.
    pub(crate) async fn run(
        &self,
        invocation: Arc<Invocation>,
        items: u32,
        run: impl Future<Output = ()> + Send + 'static,
    ) {
        let mut run = Box::pin(run);
        let heavy = tokio::select! {
            biased;
            () = &mut run => return,
            () = until_used(&invocation, HEAVY * items) => self.heavy.as_ref(),
        };
        match heavy {
            // Fails only if the process is ending.
            Some(heavy) => _ = AbortOnDropHandle::new(heavy.spawn(run)).await,
            None => run.await,
        }
    }

    /// Runs an isolate on this thread while its events are light, and on the heavy threads while
    /// they are not.
    pub(crate) async fn alternate(
        &self,
        mut life: Life,
        is_heavy: impl Fn() -> bool + Clone + Send + Sync + 'static,
    ) {
        let Some(threads) = &self.heavy else {
            return life.await;
        };
        while let Some(heavy) = until(life, is_heavy.clone()).await {
            let is_heavy = is_heavy.clone();
            let heavy = threads.spawn(until(heavy, move || !is_heavy()));
            match heavy.await {
                Ok(Some(light)) => life = light,
                // Fails only if the process is ending.
                Ok(None) | Err(_) => return,
            }
        }
    }
}

/// The run of an isolate over all its events.
type Life = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Runs a life until it is over, or returns it when it should go on elsewhere. This is checked
/// after each turn.
async fn until(mut life: Life, is_elsewhere: impl Fn() -> bool) -> Option<Life> {
    let is_over = poll_fn(|cx| match life.as_mut().poll(cx) {
        Poll::Ready(()) => Poll::Ready(true),
        Poll::Pending if is_elsewhere() => Poll::Ready(false),
        Poll::Pending => Poll::Pending,
    });
    if is_over.await { None } else { Some(life) }
}

fn threads(name: &str, start: impl Fn() + Send + Sync + 'static) -> Result<Runtime, Error> {
    Builder::new_multi_thread()
        .thread_name(name)
        .on_thread_start(start)
        .enable_all()
        .build()
        .map_err(|error| Error::host(format!("the threads `{name}` cannot start")).caused_by(error))
}

/// Completes once the invocation has used this CPU time. Registers no waker: it is polled after
/// each turn of the guest, and nothing else uses CPU time.
async fn until_used(invocation: &Invocation, cpu: Duration) {
    poll_fn(|_| {
        if invocation.cpu.used() > cpu {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}

impl Drop for Lanes {
    fn drop(&mut self) {
        for threads in [self.heavy.take(), self.tails.take()].into_iter().flatten() {
            // A blocking shutdown is not allowed in every place where this may be dropped.
            threads.shutdown_background();
        }
    }
}
