//! The countable limits of an invocation, and its account of host memory.

use crate::invocation::held::HostMemory;
use crate::settings::Limits;
use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use tokio::sync::{Semaphore, SemaphorePermit};

/// The limit of subrequests was reached.
#[derive(Debug)]
pub(crate) struct TooManySubrequests;

/// The wording is Cloudflare's.
pub(super) const TOO_MANY_SUBREQUESTS: &str = "Too many subrequests by single Worker invocation.";

impl fmt::Display for TooManySubrequests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(TOO_MANY_SUBREQUESTS)
    }
}

/// Data points of Analytics Engine: Cloudflare's limit for one invocation.
const DATA_POINTS: u32 = 250;

/// Network requests that may wait for a response head at a time. Further requests wait for their
/// turn. Cloudflare's limit for one invocation.
const WAITING_REQUESTS: usize = 6;

pub(super) struct Allowance {
    subrequests_left: AtomicU32,
    data_points_left: AtomicU32,
    /// Permits for requests that wait for a response head.
    waiting_requests: Semaphore,
    /// The limit of bytes that the host may hold.
    memory: usize,
    host_memory: OnceLock<Arc<HostMemory>>,
}

impl Allowance {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            subrequests_left: AtomicU32::new(limits.subrequests),
            data_points_left: AtomicU32::new(DATA_POINTS),
            waiting_requests: Semaphore::new(WAITING_REQUESTS),
            memory: limits.memory,
            host_memory: OnceLock::new(),
        }
    }

    pub(super) fn host_memory(&self) -> &Arc<HostMemory> {
        self.host_memory
            .get_or_init(|| HostMemory::new(self.memory))
    }

    pub(super) fn holds_memory(&self) -> bool {
        self.host_memory
            .get()
            .is_some_and(|memory| !memory.is_empty())
    }

    pub(super) fn peak_memory(&self) -> usize {
        self.host_memory.get().map_or(0, |memory| memory.peak())
    }

    /// Counts a subrequest, or refuses it.
    pub(super) fn subrequest(&self) -> Result<(), TooManySubrequests> {
        take(&self.subrequests_left).ok_or(TooManySubrequests)
    }

    /// Counts a data point, or refuses it.
    pub(super) fn data_point(&self) -> Result<(), String> {
        take(&self.data_points_left).ok_or_else(|| {
            format!("writeDataPoint(): Maximum of {DATA_POINTS} data points for one invocation.")
        })
    }

    /// Waits for a permit to send a request.
    pub(super) async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        // Fails only if the semaphore is closed, which it never is.
        self.waiting_requests.acquire().await.ok()
    }
}

fn take(left: &AtomicU32) -> Option<()> {
    let taken = left.try_update(Relaxed, Relaxed, |left| left.checked_sub(1));
    taken.ok().map(|_| ())
}
