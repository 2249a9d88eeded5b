//! The only place of this crate that reads a clock.
#![expect(
    clippy::disallowed_methods,
    reason = "all other code of this crate reads the clock through this module"
)]

use std::time::Instant;

/// The time since some moment, for durations and deadlines.
pub(crate) fn now() -> Instant {
    Instant::now()
}
