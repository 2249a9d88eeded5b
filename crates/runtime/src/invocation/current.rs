//! The invocation that a store currently runs.

use crate::invocation::Invocation;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The invocation that a store currently runs. A store that is kept between invocations has none
/// in the meantime, so that the item of the last one can be delivered.
#[derive(Clone, Default)]
pub(crate) struct CurrentInvocation(Arc<Mutex<Option<Arc<Invocation>>>>);

impl CurrentInvocation {
    pub(crate) fn new(invocation: &Arc<Invocation>) -> Self {
        Self(Arc::new(Mutex::new(Some(Arc::clone(invocation)))))
    }

    /// Returns the invocation on whose behalf the guest runs.
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
