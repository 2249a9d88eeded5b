//! Requests that a script may abandon before they are answered.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// The requests of one isolate that may be abandoned, by the numbers that the script gave them.
#[derive(Clone, Default)]
pub(crate) struct Abandonable(Arc<Mutex<HashMap<u32, oneshot::Sender<()>>>>);

impl Abandonable {
    /// Returns the output of `answer`, or nothing once the script abandons the request. The
    /// script may do so from now on.
    pub(crate) fn until_abandoned<T>(
        self,
        number: u32,
        answer: impl Future<Output = T>,
    ) -> impl Future<Output = Option<T>> {
        let (sender, abandoned) = oneshot::channel();
        {
            let mut requests = self.requests();
            if requests.len() == requests.capacity() {
                // Entries whose request the guest has dropped are removed.
                requests.retain(|_, request| !request.is_closed());
            }
            requests.insert(number, sender);
        }
        async move {
            let answer = tokio::select! {
                biased;
                _ = abandoned => None,
                answer = answer => Some(answer),
            };
            self.requests().remove(&number);
            answer
        }
    }

    /// Abandons a request.
    pub(crate) fn abandon(&self, number: u32) {
        self.requests().remove(&number);
    }

    fn requests(&self) -> MutexGuard<'_, HashMap<u32, oneshot::Sender<()>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
