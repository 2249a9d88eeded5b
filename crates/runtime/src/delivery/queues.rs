//! The queues of all Tail Workers.

use crate::delivery::ledger::{Delivery, Ledger};
use crate::delivery::queue::{TailQueue, TailWorker};
use crate::settings::identity::WorkerId;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

/// The queues, by Tail Worker. Each lives for as long as a Worker refers to it or an item waits
/// in it.
pub(crate) struct Queues {
    tracker: TaskTracker,
    /// The threads that run the calls.
    lane: Handle,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    queues: HashMap<WorkerId, (Weak<TailQueue>, Arc<Ledger>)>,
    /// The combined counts of queues that no longer exist. There is one for every dynamic Worker
    /// that ever had tails.
    gone: Delivery,
}

/// The name of the row for queues that no longer exist.
const GONE: &str = "(earlier tail consumers)";

impl Queues {
    pub(crate) fn new(tracker: TaskTracker, lane: Handle) -> Self {
        Self {
            tracker,
            lane,
            state: Mutex::default(),
        }
    }

    /// Returns the queue of this Tail Worker, which `find` finds at the time of a call.
    pub(crate) fn get(
        &self,
        worker: &WorkerId,
        find: impl Fn() -> Option<Arc<dyn TailWorker>> + Send + Sync + 'static,
    ) -> Arc<TailQueue> {
        let mut state = self.state();
        let ledger = match state.queues.get(worker) {
            Some((queue, ledger)) => match queue.upgrade() {
                Some(queue) => return queue,
                None => Arc::clone(ledger),
            },
            None => {
                state.forget_gone();
                Ledger::new(worker.to_string())
            }
        };
        let (tracker, lane) = (self.tracker.clone(), self.lane.clone());
        let queue = TailQueue::new(Arc::clone(&ledger), tracker, lane, find);
        let queue = Arc::new(queue);
        let entry = (Arc::downgrade(&queue), ledger);
        state.queues.insert(worker.clone(), entry);
        queue
    }

    /// Returns the counts for each Tail Worker, by name.
    pub(crate) fn deliveries(&self) -> Vec<Delivery> {
        let state = self.state();
        let ledgers = state.queues.values().map(|(_, ledger)| ledger.delivery());
        let mut deliveries: Vec<_> = ledgers.collect();
        deliveries.sort_by(|a, b| a.consumer.cmp(&b.consumer));
        if state.gone.produced > 0 {
            deliveries.push(state.gone.clone());
        }
        deliveries
    }

    /// Stops further calls in all queues.
    pub(crate) fn close(&self) {
        let state = self.state();
        let queues = state.queues.values();
        let queues: Vec<_> = queues.filter_map(|(queue, _)| queue.upgrade()).collect();
        // A queue may hold the last reference to a value that owns these queues.
        drop(state);
        queues.iter().for_each(|queue| queue.close());
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn forget_gone(&mut self) {
        let gone = self
            .queues
            .extract_if(|_, (queue, _)| queue.strong_count() == 0);
        for (_, (_, ledger)) in gone {
            self.gone.add(&ledger.delivery());
        }
        GONE.clone_into(&mut self.gone.consumer);
    }
}

#[cfg(test)]
mod tests;
