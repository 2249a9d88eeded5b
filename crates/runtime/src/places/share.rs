//! The limit of concurrent invocations of one Worker.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// The number of running invocations of a Worker, and its limit. Those of a Worker that another
/// one made count for both.
pub(crate) struct Share {
    taken: AtomicUsize,
    limit: usize,
    parent: Option<Arc<Self>>,
}

/// The part of a share that one invocation takes.
pub(crate) struct Permit {
    share: Arc<Share>,
    size: usize,
    /// The permit from the parent's share.
    parent: Option<Box<Self>>,
}

/// The share that was exhausted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The share of the Worker itself.
    Own,
    /// The share of the Worker that made it, or of its dispatch namespace.
    Parent,
}

impl Share {
    pub(crate) fn new(limit: usize, parent: Option<Arc<Self>>) -> Arc<Self> {
        Arc::new(Self {
            taken: AtomicUsize::new(0),
            limit,
            parent,
        })
    }

    /// Admits an invocation whose instance takes `size` places.
    pub(crate) fn admit(self: &Arc<Self>, size: usize) -> Result<Permit, Refused> {
        // A single instance may run however large it is.
        let more = |taken: usize| (taken == 0 || taken + size <= self.limit).then(|| taken + size);
        self.taken
            .try_update(Relaxed, Relaxed, more)
            .map_err(|_| Refused::Own)?;
        let mut permit = Permit {
            share: Arc::clone(self),
            size,
            parent: None,
        };
        if let Some(parent) = &self.parent {
            let above = parent.admit(size).map_err(|_| Refused::Parent)?;
            permit.parent = Some(Box::new(above));
        }
        Ok(permit)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.share.taken.fetch_sub(self.size, Relaxed);
    }
}
