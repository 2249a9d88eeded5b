//! Measures of invocations without their records.

use crate::settings::identity::WorkerId;
use std::time::Duration;
use taffrail_trace::Outcome;

/// Measures every invocation, whether or not it is recorded.
pub trait Meter: Send + Sync + 'static {
    /// Counts an invocation that has ended, with the CPU time that it used and the time that it
    /// took. Called where it ends, often while a request is being served, so it must not block.
    fn ended(&self, worker: &WorkerId, outcome: Outcome, cpu_time: Duration, wall_time: Duration);
}
