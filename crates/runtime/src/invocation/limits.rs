//! The limits of CPU time and memory of one invocation.

use crate::clock;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::Poll;
use std::time::Duration;
use wasmtime::ResourceLimiter;

/// Charges an invocation for the CPU time of the thread that runs it, but not for time spent
/// waiting.
///
/// An invocation runs on one thread at a time, so relaxed atomics suffice. Other threads only add
/// to the total.
pub(crate) struct CpuMeter {
    limit_ns: u64,
    /// The time of all finished polls.
    used_ns: AtomicU64,
    /// The thread's clock at the start of the running poll.
    poll_started_ns: AtomicU64,
}

/// The limit of CPU time was exceeded.
#[derive(Debug)]
pub(crate) struct CpuExceeded;

impl CpuMeter {
    pub(crate) fn new(limit: Duration) -> Self {
        Self {
            limit_ns: u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX),
            used_ns: AtomicU64::new(0),
            poll_started_ns: AtomicU64::new(0),
        }
    }

    /// Runs `future`, charging its polls. Fails when many short polls exceed the limit together,
    /// since the guest itself is then never interrupted.
    pub(crate) async fn measure<F: Future>(&self, future: F) -> Result<F::Output, CpuExceeded> {
        let mut future = pin!(future);
        poll_fn(|cx| {
            let mut turn = || {
                self.begin();
                let poll = future.as_mut().poll(cx);
                (poll, self.end())
            };
            match turn() {
                (Poll::Ready(output), _) => Poll::Ready(Ok(output)),
                // A guest that computes gets one more turn, in which it is stopped where it is, so
                // that there is a stack to record.
                (Poll::Pending, used) if used > self.limit_ns => match turn().0 {
                    Poll::Ready(output) => Poll::Ready(Ok(output)),
                    Poll::Pending => Poll::Ready(Err(CpuExceeded)),
                },
                (Poll::Pending, _) => Poll::Pending,
            }
        })
        .await
    }

    /// Starts charging the invocation.
    pub(crate) fn begin(&self) {
        self.poll_started_ns.store(clock::thread_cpu_ns(), Relaxed);
    }

    /// Stops charging, and returns the total in nanoseconds.
    pub(crate) fn end(&self) -> u64 {
        let started = self.poll_started_ns.load(Relaxed);
        let spent = clock::thread_cpu_ns().saturating_sub(started);
        self.used_ns.fetch_add(spent, Relaxed) + spent
    }

    /// Charges the invocation for work that another thread did on its behalf.
    pub(crate) fn charge(&self, spent: Duration) {
        let spent = u64::try_from(spent.as_nanos()).unwrap_or(u64::MAX);
        self.used_ns.fetch_add(spent, Relaxed);
    }

    /// Returns the remaining CPU time.
    pub(crate) fn left(&self) -> Duration {
        Duration::from_nanos(self.limit_ns.saturating_sub(self.used_ns.load(Relaxed)))
    }

    /// Whether the limit is exceeded. Must be called from inside a poll.
    pub(crate) fn is_exceeded(&self) -> bool {
        let running = clock::thread_cpu_ns().saturating_sub(self.poll_started_ns.load(Relaxed));
        self.used_ns.load(Relaxed) + running > self.limit_ns
    }

    /// Returns the time of all finished polls.
    pub(crate) fn used(&self) -> Duration {
        Duration::from_nanos(self.used_ns.load(Relaxed))
    }
}

/// Limits the memory of all instances in a store, and remembers a refusal. A guest usually aborts
/// after a refusal, with a trap that does not name the reason.
pub(crate) struct MemoryLimiter {
    limit: usize,
    used: usize,
    refused: bool,
}

/// Host memory per table element, in bytes.
const TABLE_ELEMENT_BYTES: usize = 16;

impl MemoryLimiter {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            used: 0,
            refused: false,
        }
    }

    pub(crate) fn refused(&self) -> bool {
        self.refused
    }

    /// Returns the peak memory. Memories do not shrink.
    pub(crate) fn peak(&self) -> usize {
        self.used
    }

    fn grow(&mut self, bytes: usize) -> bool {
        match self.used.checked_add(bytes) {
            Some(used) if used <= self.limit => {
                self.used = used;
                true
            }
            _ => {
                self.refused = true;
                false
            }
        }
    }
}

impl ResourceLimiter for MemoryLimiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        // A memory's own maximum is not a limit of the host.
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        Ok(self.grow(desired.saturating_sub(current)))
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        let elements = desired.saturating_sub(current);
        Ok(self.grow(elements.saturating_mul(TABLE_ELEMENT_BYTES)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::oneshot;

    #[test]
    fn memories_of_one_store_share_the_limit_and_a_refusal_is_remembered() {
        let mut limiter = MemoryLimiter::new(100);
        assert!(limiter.memory_growing(0, 60, None).unwrap());
        assert!(limiter.memory_growing(0, 40, None).unwrap());
        assert!(!limiter.refused());
        assert!(!limiter.memory_growing(40, 41, None).unwrap());
        assert!(limiter.refused());
    }

    #[test]
    fn a_modules_own_maximum_is_not_a_refusal_of_ours() {
        let mut limiter = MemoryLimiter::new(100);
        assert!(!limiter.memory_growing(0, 20, Some(10)).unwrap());
        assert!(!limiter.refused());
    }

    fn burn(ns: u64) {
        let start = clock::thread_cpu_ns();
        while clock::thread_cpu_ns() - start < ns {}
    }

    /// What runs in this thread while the work waits is that of others.
    #[tokio::test]
    async fn work_is_charged_and_waiting_is_not() {
        let meter = CpuMeter::new(Duration::from_secs(30));
        let (wake, woken) = oneshot::channel();
        let work = meter.measure(async {
            burn(20_000_000);
            woken.await
        });
        let others = async {
            burn(100_000_000);
            wake.send(())
        };
        let before = clock::thread_cpu_ns();
        let (result, sent) = tokio::join!(work, others);
        let all = Duration::from_nanos(clock::thread_cpu_ns() - before);
        assert!(result.is_ok_and(|woken| woken.is_ok()) && sent.is_ok());
        assert!(meter.used() >= Duration::from_millis(20));
        assert!(meter.used() <= all - Duration::from_millis(100));
    }

    #[tokio::test]
    async fn many_short_polls_reach_the_limit_too() {
        let meter = CpuMeter::new(Duration::from_millis(5));
        let busy = async {
            loop {
                burn(100_000);
                tokio::task::yield_now().await;
            }
        };
        assert!(meter.measure::<_>(busy).await.is_err());
    }
}
