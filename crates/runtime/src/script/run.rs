//! One event of a script.

use crate::invocation::Invocation;
use crate::script::exchange::Exchange;
use std::sync::Arc;

/// An invocation of a script, and what it exchanges with its host.
pub(crate) struct Run {
    pub(super) invocation: Arc<Invocation>,
    pub(super) exchange: Exchange,
}

impl Run {
    pub(super) fn new(invocation: &Arc<Invocation>, exchange: Exchange) -> Arc<Self> {
        Arc::new(Self {
            invocation: Arc::clone(invocation),
            exchange,
        })
    }

    /// Records that the handler has ended, with the body of its response open or
    /// not.
    pub(super) fn handler_ended(&self) {
        if self.exchange.is_open() {
            self.invocation.response_cut_off();
        }
    }
}
