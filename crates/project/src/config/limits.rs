//! The limits that a configuration may set.

use crate::error::{Result, bail};

/// The most CPU time that Cloudflare allows an invocation, in milliseconds.
pub(super) const MAX_CPU_MS: u64 = 300_000;

/// The most subrequests that Cloudflare allows an invocation.
pub(super) const MAX_SUBREQUESTS: u64 = 10_000_000;

/// The addressable size of a 32-bit WebAssembly memory, in MiB.
pub(super) const MAX_MEMORY_MB: u64 = 4096;

/// One day, in milliseconds.
pub(super) const MAX_WALL_MS: u64 = 86_400_000;

/// The number of instances that the runtime has room for.
pub(super) const MAX_INSTANCES: u64 = 1000;

/// The most events that one instance handles.
pub(super) const MAX_REUSE: u64 = 1_000_000;

/// The most messages in one batch of Cloudflare's queues.
pub(super) const MAX_BATCH: u64 = 100;

/// The longest time that an item may wait for others, in milliseconds. A tail is to be told soon.
pub(super) const MAX_BATCH_MS: u64 = 1000;

/// How long logs may be kept, in days.
pub(super) const MAX_LOG_DAYS: u64 = 3650;

/// The most bytes of logs, in MiB.
pub(super) const MAX_LOG_MB: u64 = 1 << 20;

/// The limits that a configuration sets. The runtime has defaults for the others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfiguredLimits {
    /// CPU time in milliseconds.
    pub cpu_ms: Option<u64>,
    /// Subrequests.
    pub subrequests: Option<u64>,
    /// Memory in MiB.
    pub memory_mb: Option<u64>,
    /// Wall time, including time spent waiting, in milliseconds.
    pub wall_ms: Option<u64>,
    /// Time after the response, in milliseconds.
    pub wait_until_ms: Option<u64>,
    /// Concurrent requests.
    pub instances: Option<u64>,
}

impl ConfiguredLimits {
    /// Returns the limit of this name, with the highest permitted value.
    pub(super) fn get_mut(&mut self, name: &str) -> Option<(&mut Option<u64>, u64)> {
        Some(match name {
            "cpu_ms" => (&mut self.cpu_ms, MAX_CPU_MS),
            "subrequests" => (&mut self.subrequests, MAX_SUBREQUESTS),
            "memory_mb" => (&mut self.memory_mb, MAX_MEMORY_MB),
            "wall_ms" => (&mut self.wall_ms, MAX_WALL_MS),
            "wait_until_ms" => (&mut self.wait_until_ms, MAX_WALL_MS),
            "instances" => (&mut self.instances, MAX_INSTANCES),
            _ => return None,
        })
    }
}

/// Restricts the limits of a user Worker to `ceilings`. The user Worker's configuration may set
/// lower limits. Where there is no ceiling, the runtime's default is the ceiling.
///
/// Errors name the key of a limit that is above its ceiling.
pub(super) fn apply_ceilings(
    own: &mut ConfiguredLimits,
    ceilings: &ConfiguredLimits,
) -> Result<()> {
    let default = taffrail_runtime::Limits::default();
    let default_cpu = u64::try_from(default.cpu.as_millis()).ok();
    let default_wait_until = u64::try_from(default.wait_until.as_millis()).ok();
    let default_memory = Some((default.memory >> 20) as u64);
    for (key, own, ceiling) in [
        (
            "limits.cpu_ms",
            &mut own.cpu_ms,
            ceilings.cpu_ms.or(default_cpu),
        ),
        (
            "limits.subrequests",
            &mut own.subrequests,
            ceilings.subrequests.or(Some(default.subrequests.into())),
        ),
        (
            "taffrail.memory_mb",
            &mut own.memory_mb,
            ceilings.memory_mb.or(default_memory),
        ),
        ("taffrail.wall_ms", &mut own.wall_ms, ceilings.wall_ms),
        (
            "taffrail.wait_until_ms",
            &mut own.wait_until_ms,
            ceilings.wait_until_ms.or(default_wait_until),
        ),
        (
            "taffrail.instances",
            &mut own.instances,
            ceilings.instances.or(Some(default.instances as u64)),
        ),
    ] {
        match (*own, ceiling) {
            (Some(wanted), Some(ceiling)) if wanted > ceiling => {
                bail!("`{key}` is {wanted}; the dispatch namespace allows at most {ceiling}")
            }
            (Some(_), _) => {}
            (None, ceiling) => *own = ceiling,
        }
    }
    Ok(())
}
