//! The invocations of a Worker that run at this moment.

use crate::invocation::Invocation;
use crate::invocation::ending::Cut;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// Every invocation of one Worker between its start and its item.
#[derive(Default)]
pub(crate) struct Running {
    /// By address, which is theirs alone as long as they are in here.
    invocations: Mutex<HashMap<usize, Weak<Invocation>>>,
}

impl Running {
    pub(crate) fn add(&self, invocation: &Arc<Invocation>) {
        let weak = Arc::downgrade(invocation);
        self.lock().insert(address(invocation), weak);
    }

    pub(crate) fn remove(&self, invocation: &Invocation) {
        self.lock().remove(&address(invocation));
    }

    /// Has all of them end.
    pub(crate) fn cut(&self, reason: Cut) {
        // An invocation that ends here takes itself out: not under the lock.
        let invocations: Vec<_> = self.lock().values().filter_map(Weak::upgrade).collect();
        for invocation in invocations {
            invocation.cut(reason);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<usize, Weak<Invocation>>> {
        self.invocations
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn address(invocation: &Invocation) -> usize {
    std::ptr::from_ref(invocation).addr()
}
