//! Native tail consumers.

use crate::delivery::ledger::Ledger;
use crate::settings::identity::WorkerId;
use std::sync::Arc;
use taffrail_trace::TraceItem;

/// A native consumer, which receives the item of every invocation.
///
/// [`deliver`](Self::deliver) is called where the invocation ends, often while a request is being
/// served. It must not block: longer work belongs on another task or thread.
pub trait TailConsumer: Send + Sync + 'static {
    /// Takes one finished item.
    fn deliver(&self, item: &Arc<TraceItem>);

    /// Whether it is told of invocations that begin, by [`begins`](Self::begins).
    fn wants_onsets(&self) -> bool {
        false
    }

    /// Takes what is known of an invocation before its guest runs: an item with the outcome
    /// `unknown`. The guest waits for it.
    fn begins(&self, _item: &TraceItem) {}

    /// Whether it receives the items of a Worker. Called each time that the Worker is deployed.
    fn receives(&self, _worker: &WorkerId) -> bool {
        true
    }

    /// Whether the consumer takes items now. An invocation that begins while no consumer of its
    /// item listens is not recorded.
    fn listens(&self) -> bool {
        true
    }

    /// Whether it wants the spans of a Worker's invocations. Called each time that the Worker is
    /// deployed. If no consumer does, no spans are recorded.
    fn wants_spans(&self, _worker: &WorkerId) -> bool {
        false
    }

    /// Returns the ledgers in which the consumer counts items, if it does further work after
    /// `deliver` returns. [`Runtime::deliveries`](crate::Runtime::deliveries) then has a row for
    /// each.
    fn ledgers(&self) -> Vec<Arc<Ledger>> {
        Vec::new()
    }
}
