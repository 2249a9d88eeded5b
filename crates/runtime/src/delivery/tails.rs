//! The Tail Workers of one Worker.

use crate::delivery::queue::TailQueue;
use crate::delivery::stream::StreamSender;
use crate::settings::Target;
use crate::settings::identity::WorkerId;
use std::sync::Arc;
use taffrail_trace::{EventInfo, TraceItem};

/// The Tail Workers that receive the items of one Worker.
pub(crate) struct Tails {
    pub(crate) worker: WorkerId,
    pub(crate) tails: Vec<Tail>,
    /// Those that receive the events of an invocation as they happen.
    pub(crate) streaming: Vec<Tail>,
}

/// One of a Worker's tail consumers, with its queue.
pub(crate) struct Tail {
    pub(crate) target: Arc<Target>,
    pub(crate) queue: Arc<TailQueue>,
}

impl Tails {
    /// Opens a stream to each streaming tail, for an invocation of this depth. `is_tail` says that
    /// it is itself that of a tail event.
    pub(crate) fn streams(&self, depth: u32, is_tail: bool) -> Vec<StreamSender> {
        let tails = self.streaming.iter();
        tails
            // A Worker that tails itself does not receive its own tail events.
            .filter(|tail| !(is_tail && tail.target.worker == self.worker))
            .filter_map(|tail| tail.queue.stream(&tail.target, depth.saturating_add(1)))
            .collect()
    }

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
