//! The Workers of a runtime by name.

use crate::worker::Worker;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak};

type Workers = HashMap<String, Arc<Worker>>;

/// The deployed Workers.
#[derive(Default)]
pub(crate) struct Directory(Arc<RwLock<Workers>>);

/// A view of a [`Directory`] that does not keep it, for those who are in it.
#[derive(Clone)]
pub(crate) struct Peers(Weak<RwLock<Workers>>);

impl Directory {
    pub(crate) fn find(&self, name: &str) -> Option<Arc<Worker>> {
        self.read().get(name).cloned()
    }

    pub(crate) fn all(&self) -> Vec<Arc<Worker>> {
        self.read().values().cloned().collect()
    }

    pub(crate) fn peers(&self) -> Peers {
        Peers(Arc::downgrade(&self.0))
    }

    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, Workers> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self) -> RwLockReadGuard<'_, Workers> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Peers {
    pub(crate) fn find(&self, name: &str) -> Option<Arc<Worker>> {
        Directory(self.0.upgrade()?).find(name)
    }
}
