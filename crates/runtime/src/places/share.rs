//! What one Worker may have of the places.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// The invocations of a Worker that run, and how many there may be. Those of a
/// Worker that another one has made count for both.
pub(crate) struct Share {
    taken: AtomicUsize,
    limit: usize,
    parent: Option<Arc<Self>>,
}

/// A part of a share that one invocation has.
pub(crate) struct Permit {
    share: Arc<Share>,
    size: usize,
    /// The part of the share above it.
    parent: Option<Box<Self>>,
}

/// Whose share is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// That of the Worker itself.
    Own,
    /// That of the Worker that made it, or of its dispatch namespace.
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
        // One instance may run however large it is.
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
