//! What one invocation may use.

use std::time::Duration;

/// What one invocation may use, and how many there may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// CPU time, not counting time spent waiting. Cloudflare's default for
    /// paid plans: 30 seconds.
    pub cpu: Duration,
    /// Bytes of memory and tables of all instances of the component together.
    /// Cloudflare's limit for an isolate: 128 MiB.
    pub memory: usize,
    /// Time from the event to the end of everything it causes, waiting
    /// included. Without it, a fetch event lasts as long as its client stays,
    /// and any other event [`EVENT_WALL_TIME`].
    pub wall_time: Option<Duration>,
    /// Time that a fetch event may go on after its response: Cloudflare's limit
    /// for `waitUntil` is 30 seconds.
    pub wait_until: Duration,
    /// Outgoing HTTP requests. Cloudflare's limit for paid plans: 10,000.
    pub subrequests: u32,
    /// Fetch events, and calls by other Workers, at a time, those of the dynamic
    /// Workers that it makes included. A further one is refused at once. One of
    /// a component counts as often as an instance has memories.
    pub instances: usize,
}

/// How long an event without a client may last: Cloudflare's limit for cron
/// triggers, alarms and queue consumers.
pub const EVENT_WALL_TIME: Duration = Duration::from_secs(15 * 60);

impl Default for Limits {
    fn default() -> Self {
        Self {
            cpu: Duration::from_secs(30),
            memory: 128 << 20,
            wall_time: None,
            wait_until: Duration::from_secs(30),
            subrequests: 10_000,
            // A quarter of the pool, so that one Worker cannot take it all.
            instances: 256,
        }
    }
}
