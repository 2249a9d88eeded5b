//! How a finished trace item reaches those who asked for it.

mod ledger;
mod queue;
mod queues;
mod together;
mod waiting;

pub use ledger::{Delivery, Ledger};
pub(crate) use queue::{NotBegun, TailQueue};
pub(crate) use queues::Queues;
pub(crate) use together::Together;

use crate::settings::Target;
use crate::settings::identity::WorkerId;
use std::sync::Arc;
use taffrail_trace::{EventInfo, TraceItem};

/// A consumer outside WebAssembly that receives the item of every invocation.
///
/// [`deliver`](Self::deliver) is called where the invocation ends, often on
/// the way of a request: it must not block, and puts longer work elsewhere.
pub trait TailConsumer: Send + Sync + 'static {
    /// Takes one finished item.
    fn deliver(&self, item: &Arc<TraceItem>);

    /// The ledger in which it counts what becomes of the items, if it does more
    /// with them than `deliver` does. Then
    /// [`Runtime::deliveries`](crate::Runtime::deliveries) has a row for it.
    fn ledger(&self) -> Option<&Arc<Ledger>> {
        None
    }
}

/// Who receives the items of one Worker. Nothing else delivers.
pub(crate) struct Consumers {
    pub(crate) worker: WorkerId,
    pub(crate) native: Arc<[Arc<dyn TailConsumer>]>,
    pub(crate) tails: Vec<Tail>,
}

/// One of a Worker's tail consumers, and the way to it.
pub(crate) struct Tail {
    pub(crate) target: Arc<Target>,
    pub(crate) queue: Arc<TailQueue>,
}

impl Consumers {
    /// Hands a finished item to everything that asked for it. `dispatcher`
    /// collects for the dispatcher that called, `own` collects what the Worker
    /// itself called as a dispatcher.
    pub(crate) fn deliver(
        &self,
        item: TraceItem,
        dispatcher: Option<&Together>,
        own: Option<&Together>,
    ) {
        let item = Arc::new(item);
        // First, or a tail's own item could come before the one it was told.
        for consumer in self.native.iter() {
            consumer.deliver(&item);
        }
        if let Some(dispatcher) = dispatcher {
            dispatcher.add(&item);
        }
        match own {
            Some(own) => own.add_dispatcher(&item),
            None => self.tell(&[item]),
        }
    }

    /// Hands finished items to the tails, in one call.
    fn tell(&self, items: &[Arc<TraceItem>]) {
        let is_tail = |item: &Arc<TraceItem>| matches!(item.event, Some(EventInfo::Tail { .. }));
        for tail in &self.tails {
            // A Worker that tails itself is not told about its own telling.
            if !(items.iter().any(is_tail) && tail.target.worker == self.worker) {
                tail.queue.push(items, &tail.target);
            }
        }
    }
}
