//! Consumers outside WebAssembly.

use crate::delivery::ledger::Ledger;
use std::sync::Arc;
use taffrail_trace::TraceItem;

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
