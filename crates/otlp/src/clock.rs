//! The only place of this crate that reads a clock.
#![expect(
    clippy::disallowed_methods,
    reason = "all other code of this crate reads clocks through this module"
)]

use std::time::{Instant, SystemTime, UNIX_EPOCH};
use taffrail_trace::EpochMs;

/// Nanoseconds since 1970, as OTLP has times.
pub(crate) fn epoch_ns() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// Monotonic time, for deadlines.
pub(crate) fn instant() -> Instant {
    Instant::now()
}

/// Returns a time in nanoseconds since 1970.
pub(crate) fn nanoseconds(time: EpochMs) -> u64 {
    time.saturating_mul(1_000_000)
}
