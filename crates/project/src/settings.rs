//! Converts a configuration to the settings of the runtime.

use crate::config::{ConfiguredLimits, WorkerConfig};
use std::num::NonZeroU32;
use std::time::Duration;
use taffrail_runtime::{Limits, WorkerSettings};

/// Returns the settings of the runtime for a configuration.
pub(crate) fn settings(worker: &WorkerConfig) -> WorkerSettings {
    WorkerSettings {
        vars: worker.vars.clone(),
        tail_consumers: worker.tail_consumers.clone(),
        streaming_tail_consumers: worker.streaming_tail_consumers.clone(),
        bindings: worker.bindings.clone(),
        egress: worker.egress.clone(),
        limits: Limits::from(&worker.limits),
        log_sampling_rate: worker.logs.sampling_rate,
        trace_sampling_rate: worker.telemetry.trace_sampling_rate,
        tail_batch: worker.tail_batch,
        instance_reuse: worker
            .instance_reuse
            .and_then(|most| NonZeroU32::new(u32::try_from(most).unwrap_or(u32::MAX))),
        ..WorkerSettings::new(&worker.name)
    }
}

impl From<&ConfiguredLimits> for Limits {
    fn from(set: &ConfiguredLimits) -> Self {
        let mut limits = Self::default();
        if let Some(cpu_ms) = set.cpu_ms {
            limits.cpu = Duration::from_millis(cpu_ms);
        }
        if let Some(subrequests) = set.subrequests {
            limits.subrequests = u32::try_from(subrequests).unwrap_or(u32::MAX);
        }
        if let Some(memory_mb) = set.memory_mb {
            limits.memory = usize::try_from(memory_mb << 20).unwrap_or(usize::MAX);
        }
        if let Some(wait_until_ms) = set.wait_until_ms {
            limits.wait_until = Duration::from_millis(wait_until_ms);
        }
        if let Some(wall_ms) = set.wall_ms {
            limits.wall_time = Some(Duration::from_millis(wall_ms));
        }
        if let Some(instances) = set.instances {
            limits.instances = usize::try_from(instances).unwrap_or(usize::MAX);
        }
        limits
    }
}
