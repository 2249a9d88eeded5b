//! Fires cron triggers.

use crate::config::{Cron, WorkerConfig};
use jiff::Timestamp;
use std::collections::HashMap;
use std::time::Duration;
use taffrail_runtime::{Event, Runtime};
use tokio_util::task::AbortOnDropHandle;

/// The cron triggers of the running Workers. They stop when this is dropped.
pub struct Crons {
    runtime: Runtime,
    /// By name of the Worker.
    timers: HashMap<String, Vec<AbortOnDropHandle<()>>>,
}

impl Crons {
    /// Creates an empty set of triggers for the Workers of `runtime`.
    #[must_use]
    pub fn new(runtime: &Runtime) -> Self {
        Self {
            runtime: runtime.clone(),
            timers: HashMap::new(),
        }
    }

    /// Sets the triggers of a Worker, in place of earlier ones.
    pub fn set(&mut self, worker: &WorkerConfig) {
        let timers = worker.crons.iter().map(|cron| {
            let fire = fire(self.runtime.clone(), worker.name.clone(), cron.clone());
            AbortOnDropHandle::new(tokio::spawn(fire))
        });
        self.timers.insert(worker.name.clone(), timers.collect());
    }
}

/// Fires whenever the expression is due. A slow run does not delay the next one.
async fn fire(runtime: Runtime, worker: String, cron: Cron) {
    let mut last = Timestamp::now();
    while let Some(due) = cron.next(last) {
        wait_until(due).await;
        last = due;
        let runtime = runtime.clone();
        let worker = worker.clone();
        let time = u64::try_from(due.as_millisecond()).ok();
        let event = Event::scheduled(&cron.text, time);
        tokio::spawn(async move { runtime.dispatch(&worker, event).await });
    }
}

async fn wait_until(due: Timestamp) {
    loop {
        let left = due.duration_since(Timestamp::now());
        let Ok(left) = Duration::try_from(left) else {
            return;
        };
        if left.is_zero() {
            return;
        }
        // The system clock may be changed in the meantime.
        tokio::time::sleep(left.min(Duration::from_secs(60))).await;
    }
}
