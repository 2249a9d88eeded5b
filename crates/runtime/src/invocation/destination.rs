//! The consumers of the item of one invocation.

use crate::delivery::ItemBatch;
use crate::invocation::context::WorkerContext;
use std::sync::{Arc, OnceLock};
use taffrail_trace::TraceItem;

/// The consumers of the item of one invocation.
pub(crate) struct Destination {
    worker: Arc<WorkerContext>,
    /// The batch of the dispatcher that called, if there is one.
    dispatcher: Option<Arc<ItemBatch>>,
    /// The batch for the items of the user Workers that this invocation calls as a dispatcher.
    own: OnceLock<Arc<ItemBatch>>,
}

impl Destination {
    pub(crate) fn new(worker: &Arc<WorkerContext>, dispatcher: Option<Arc<ItemBatch>>) -> Self {
        Self {
            worker: Arc::clone(worker),
            dispatcher,
            own: OnceLock::new(),
        }
    }

    /// Whether the item has a consumer.
    pub(crate) fn has_consumers(&self) -> bool {
        let dispatcher = self.dispatcher.as_ref();
        self.worker.consumers.any() || dispatcher.is_some_and(|batch| batch.has_consumers())
    }

    /// Whether a consumer of the item wants spans.
    pub(crate) fn want_spans(&self) -> bool {
        self.worker.consumers.want_spans
    }

    /// Returns the batch for the items of the user Workers that this invocation calls as a
    /// dispatcher.
    pub(crate) fn batch(&self) -> Arc<ItemBatch> {
        let batch = self.own.get_or_init(|| {
            let pending = self.worker.tracker.token();
            ItemBatch::new(&self.worker.consumers.tails, pending)
        });
        Arc::clone(batch)
    }

    /// Tells the consumers that want it of an invocation that begins.
    pub(crate) fn begin(&self, item: impl FnOnce() -> TraceItem) {
        self.worker.consumers.begin(item);
    }

    pub(crate) fn deliver(&self, item: TraceItem) {
        let dispatcher = self.dispatcher.as_deref();
        let own = self.own.get().map(Arc::as_ref);
        self.worker.consumers.deliver(item, dispatcher, own);
    }
}
