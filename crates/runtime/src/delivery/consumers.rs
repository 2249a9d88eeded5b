//! All consumers of the items of one Worker.

use crate::delivery::batch::ItemBatch;
use crate::delivery::consumer::TailConsumer;
use crate::delivery::tails::Tails;
use std::sync::Arc;
use taffrail_trace::TraceItem;

/// Who receives the items of one Worker. Nothing else delivers.
pub(crate) struct Consumers {
    pub(crate) native: Arc<[Arc<dyn TailConsumer>]>,
    pub(crate) tails: Arc<Tails>,
}

impl Consumers {
    /// Whether there is any.
    pub(crate) fn are_some(&self) -> bool {
        !self.native.is_empty() || !self.tails.tails.is_empty()
    }

    /// Hands a finished item to everything that asked for it. `dispatcher`
    /// collects for the dispatcher that called, `own` collects what the Worker
    /// itself called as a dispatcher.
    pub(crate) fn deliver(
        &self,
        item: TraceItem,
        dispatcher: Option<&ItemBatch>,
        own: Option<&ItemBatch>,
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
            None => self.tails.deliver(&[item]),
        }
    }
}
