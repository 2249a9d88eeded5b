//! The signal that a guest is to end.

use crate::invocation::ending::Cut;
use std::sync::OnceLock;
use tokio::sync::Notify;

/// Has the guest of one invocation ended as soon as it can be.
#[derive(Default)]
pub(crate) struct CutSignal {
    reason: OnceLock<Cut>,
    raised: Notify,
}

impl CutSignal {
    /// Raises it. The first reason counts.
    pub(crate) fn cut(&self, reason: Cut) {
        self.reason.get_or_init(|| reason);
        self.raised.notify_waiters();
    }

    /// Why the guest is to end, if it is.
    pub(crate) fn reason(&self) -> Option<Cut> {
        self.reason.get().copied()
    }

    /// Waits until the guest is to end.
    pub(crate) async fn raised(&self) {
        // A notification after this line is received, one before it has left
        // its reason.
        let notified = self.raised.notified();
        if self.reason().is_none() {
            notified.await;
        }
    }
}
