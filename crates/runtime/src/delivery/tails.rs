//! The Tail Workers of one Worker.

use crate::delivery::queue::TailQueue;
use crate::settings::Target;
use crate::settings::identity::WorkerId;
use std::sync::Arc;
use taffrail_trace::{EventInfo, TraceItem};

/// The Tail Workers that receive the items of one Worker.
pub(crate) struct Tails {
    pub(crate) worker: WorkerId,
    pub(crate) tails: Vec<Tail>,
}

/// One of a Worker's tail consumers, with its queue.
pub(crate) struct Tail {
    pub(crate) target: Arc<Target>,
    pub(crate) queue: Arc<TailQueue>,
}

impl Tails {
    /// Queues finished items for each tail, in one call.
    pub(super) fn deliver(&self, items: &[Arc<TraceItem>]) {
        let is_tail = |item: &Arc<TraceItem>| matches!(item.event, Some(EventInfo::Tail { .. }));
        for tail in &self.tails {
            // A Worker that tails itself does not receive the items of its own tail events.
            if !(items.iter().any(is_tail) && tail.target.worker == self.worker) {
                tail.queue.push(items, &tail.target);
            }
        }
    }
}
