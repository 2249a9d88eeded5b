//! The limits of one invocation.

use std::time::Duration;

/// The limits of one invocation, and of how many a Worker may run at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// CPU time, not counting time spent waiting. Cloudflare's default for
    /// paid plans: 30 seconds.
    pub cpu: Duration,
    /// Bytes of the memories and tables of all instances of the component together. Cloudflare's
    /// limit for an isolate: 128 MiB.
    pub memory: usize,
    /// Time from the event to the end of everything it causes, including time spent waiting.
    /// Without this limit, a fetch event lasts as long as its client stays connected, and any
    /// other event lasts up to [`EVENT_WALL_TIME`].
    pub wall_time: Option<Duration>,
    /// Time that a fetch event may go on after its response. Cloudflare's limit for `waitUntil`:
    /// 30 seconds.
    pub wait_until: Duration,
    /// Outgoing HTTP requests. Cloudflare's limit for paid plans: 10,000.
    pub subrequests: u32,
    /// Fetch events and calls by other Workers that may run at a time, including those of the
    /// dynamic Workers that this one makes. A further one is refused at once. An invocation of a
    /// component counts once for each memory of its instance.
    pub instances: usize,
}

/// How long an event without a client may last. Cloudflare's limit for cron triggers, alarms and
/// queue consumers.
pub const EVENT_WALL_TIME: Duration = Duration::from_secs(15 * 60);

impl Default for Limits {
    fn default() -> Self {
        Self {
            cpu: Duration::from_secs(30),
            memory: 128 << 20,
            wall_time: None,
            wait_until: Duration::from_secs(30),
            subrequests: 10_000,
            // A quarter of the pool, so one Worker cannot take it all.
            instances: 256,
        }
    }
}
