//! All consumers of the items of one Worker.

use crate::delivery::batch::ItemBatch;
use crate::delivery::consumer::TailConsumer;
use crate::delivery::meter::Meter;
use crate::delivery::tails::Tails;
use std::sync::Arc;
use taffrail_trace::TraceItem;

/// The consumers of one Worker's items. All items are delivered here.
pub(crate) struct Consumers {
    pub(crate) native: Arc<[Arc<dyn TailConsumer>]>,
    /// Whether a native consumer wants spans.
    pub(crate) want_spans: bool,
    pub(crate) tails: Arc<Tails>,
    /// What measures its invocations, with or without consumers.
    pub(crate) meter: Option<Arc<dyn Meter>>,
}

impl Consumers {
    /// Whether there are any consumers that listen now.
    pub(crate) fn any(&self) -> bool {
        !self.tails.tails.is_empty() || self.native.iter().any(|consumer| consumer.listens())
    }

    /// Tells the consumers that want it of an invocation that begins.
    pub(crate) fn begin(&self, item: impl FnOnce() -> TraceItem) {
        let mut wanting = self
            .native
            .iter()
            .filter(|consumer| consumer.wants_onsets());
        let Some(first) = wanting.next() else {
            return;
        };
        let item = item();
        first.begins(&item);
        wanting.for_each(|consumer| consumer.begins(&item));
    }

    /// Delivers a finished item to all consumers. `dispatcher` is the batch of the dispatcher
    /// that called the Worker. `own` is the batch in which the Worker, itself a dispatcher,
    /// collected the items of its user Workers.
    pub(crate) fn deliver(
        &self,
        item: TraceItem,
        dispatcher: Option<&ItemBatch>,
        own: Option<&ItemBatch>,
    ) {
        let item = Arc::new(item);
        // First, so that an item precedes the item of the tail that receives it.
        for consumer in self.native.iter() {
            consumer.deliver(&item);
        }
        if let Some(dispatcher) = dispatcher {
            dispatcher.add(&item);
        }
        match own {
            Some(own) => own.add_dispatcher(&item),
            None => self.tails.deliver(&[item]),
        }
    }
}
