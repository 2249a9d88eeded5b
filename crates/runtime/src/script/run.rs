//! One event of a script.

use crate::invocation::Invocation;
use crate::script::exchange::Exchange;
use std::sync::Arc;

/// An invocation of a script, with its exchange.
pub(crate) struct Run {
    pub(super) invocation: Arc<Invocation>,
    pub(super) exchange: Exchange,
}

impl Run {
    pub(super) fn new(invocation: &Arc<Invocation>, exchange: Exchange) -> Arc<Self> {
        invocation.works_in_turns();
        Arc::new(Self {
            invocation: Arc::clone(invocation),
            exchange,
        })
    }

    /// Records that the handler has ended, and whether its response body is still open.
    pub(super) fn handler_ended(&self) {
        if self.exchange.is_open() {
            self.invocation.response_cut_off();
        }
    }
}
