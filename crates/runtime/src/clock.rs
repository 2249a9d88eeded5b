//! The only place that reads a clock.
#![expect(
    clippy::disallowed_methods,
    reason = "all other code reads clocks through this module"
)]

use rustix::time::{ClockId, clock_gettime};
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use taffrail_trace::{EpochMs, EpochUs};

/// Wall-clock time, as a Worker sees it in `Date.now()`.
pub(crate) fn epoch_ms() -> EpochMs {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Wall-clock time, for spans.
pub(crate) fn epoch_us() -> EpochUs {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// Monotonic time, for durations.
pub(crate) fn instant() -> Instant {
    Instant::now()
}

/// CPU time that the calling thread has used, in nanoseconds.
pub(crate) fn thread_cpu_ns() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    u64::try_from(time.tv_sec)
        .unwrap_or(0)
        .wrapping_mul(1_000_000_000)
        .wrapping_add(u64::try_from(time.tv_nsec).unwrap_or(0))
}
