//! The running invocations of a Worker.

use crate::invocation::cut::CutSignal;
use crate::invocation::ending::Cut;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// All invocations of one Worker between start and delivery of the item.
#[derive(Clone, Default)]
pub(crate) struct Running(Arc<Mutex<Signals>>);

#[derive(Default)]
struct Signals {
    latest: u64,
    all: HashMap<u64, Weak<CutSignal>>,
}

/// The entry of one running invocation, until this is dropped.
pub(crate) struct RunningGuard {
    running: Running,
    number: u64,
}

impl Running {
    pub(crate) fn add(&self, signal: &Arc<CutSignal>) -> RunningGuard {
        let mut signals = self.lock();
        signals.latest += 1;
        let number = signals.latest;
        signals.all.insert(number, Arc::downgrade(signal));
        RunningGuard {
            running: self.clone(),
            number,
        }
    }

    /// Stops all of them.
    pub(crate) fn cut(&self, reason: Cut) {
        let signals: Vec<_> = self.lock().all.values().filter_map(Weak::upgrade).collect();
        for signal in signals {
            signal.cut(reason);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Signals> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for RunningGuard {
    fn drop(&mut self) {
        self.running.lock().all.remove(&self.number);
    }
}
