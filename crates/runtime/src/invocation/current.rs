//! Which invocation a store runs.

use crate::invocation::Invocation;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The invocation that a store runs at this moment. A store that is kept for
/// the next one has none in between, so that the item of the last one can go
/// out.
#[derive(Clone, Default)]
pub(crate) struct CurrentInvocation(Arc<Mutex<Option<Arc<Invocation>>>>);

impl CurrentInvocation {
    pub(crate) fn new(invocation: &Arc<Invocation>) -> Self {
        Self(Arc::new(Mutex::new(Some(Arc::clone(invocation)))))
    }

    /// The invocation on whose behalf the guest runs.
    pub(crate) fn invocation(&self) -> Arc<Invocation> {
        let invocation = self.lock().clone();
        invocation.expect("a guest runs only as part of an invocation")
    }

    pub(crate) fn set(&self, invocation: Option<Arc<Invocation>>) {
        *self.lock() = invocation;
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<Invocation>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
