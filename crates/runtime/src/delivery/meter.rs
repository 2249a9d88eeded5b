//! Measures of invocations without their records.

use crate::settings::identity::WorkerId;
use std::time::Duration;
use taffrail_trace::Outcome;

/// Measures every invocation, whether or not it is recorded.
pub trait Meter: Send + Sync + 'static {
    /// Counts an invocation that has ended. Called where it ends, often while a request is being
    /// served, so it must not block.
    fn ended(&self, worker: &WorkerId, measured: Measured);
}

/// What is measured of an invocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measured {
    /// Its outcome.
    pub outcome: Outcome,
    /// The CPU time that it used.
    pub cpu_time: Duration,
    /// The time from its event to the end of all that it caused.
    pub wall_time: Duration,
    /// The most bytes of memory that it had at a time. Zero if no guest ran.
    pub peak_memory: u64,
    /// Whether an instance was made for it.
    pub is_cold_start: bool,
}
