//! The signal that stops a guest.

use crate::invocation::ending::Cut;
use std::sync::OnceLock;
use tokio::sync::Notify;

/// Stops the guest of one invocation as soon as possible.
#[derive(Default)]
pub(crate) struct CutSignal {
    reason: OnceLock<Cut>,
    raised: Notify,
}

impl CutSignal {
    /// Raises the signal. The first reason counts.
    pub(crate) fn cut(&self, reason: Cut) {
        self.reason.get_or_init(|| reason);
        self.raised.notify_waiters();
    }

    /// Returns the reason to stop, if the signal was raised.
    pub(crate) fn reason(&self) -> Option<Cut> {
        self.reason.get().copied()
    }

    /// Waits until the signal is raised.
    pub(crate) async fn raised(&self) {
        // A notification after this line is received; an earlier one has set the reason.
        let notified = self.raised.notified();
        if self.reason().is_none() {
            notified.await;
        }
    }
}
