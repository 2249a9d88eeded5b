//! What a script shares with its isolates.

use crate::channels::Channels;
use crate::invocation::ending::Call;
use crate::invocation::lanes::Lanes;
use crate::places::OwnerId;
use crate::script::engine::ScriptEngine;
use crate::script::events::Events;
use crate::script::isolate::{Isolate, Isolates};
use crate::script::object::Objects;
use crate::script::run::Run;
use crate::script::source::Source;
use crate::script::state::IsolateState;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Isolates of one script that wait for a further event. Each holds the memory
/// of its script.
const IDLE_ISOLATES: usize = 16;

/// What a script shares with its isolates.
pub(super) struct Program {
    pub(super) engine: Arc<ScriptEngine>,
    pub(super) source: Arc<Source>,
    /// Under which its isolates idle.
    id: OwnerId,
    pub(super) objects: Arc<Objects>,
    /// The isolates that run events, but for Durable Objects.
    running: Mutex<Vec<Arc<Events>>>,
    /// Whether its Worker is gone, so that no isolate has a use any more.
    retired: AtomicBool,
}

/// What isolates live in.
#[derive(Clone)]
pub(crate) struct Surroundings {
    /// What their Worker can reach.
    pub(crate) channels: Arc<dyn Channels>,
    pub(crate) lanes: Arc<Lanes>,
    pub(crate) places: Arc<Isolates>,
}

impl Program {
    pub(super) fn new(engine: Arc<ScriptEngine>, source: Source) -> Self {
        Self {
            engine,
            source: Arc::new(source),
            id: OwnerId::new(),
            objects: Arc::default(),
            running: Mutex::default(),
            retired: AtomicBool::new(false),
        }
    }

    /// The isolate that idles and was used last.
    pub(super) fn reuse(&self, places: &Isolates) -> Option<Isolate> {
        places.reuse(self.id)
    }

    /// Ends the isolates that idle, and those that run once they do.
    pub(super) fn retire(&self, places: &Isolates) {
        self.retired.store(true, SeqCst);
        places.forget(self.id);
    }

    /// An isolate that is yet to evaluate the script.
    pub(super) async fn new_isolate(
        &self,
        run: &Arc<Run>,
        surroundings: &Surroundings,
        events: Arc<Events>,
    ) -> Result<Isolate, Call> {
        let invocation = &run.invocation;
        let Surroundings {
            channels, places, ..
        } = surroundings;
        let place = invocation.place(places, self.engine.linked.size()).await?;
        events.set_run(Some(Arc::clone(run)));
        let state = IsolateState::new(invocation, channels, &self.source, Arc::clone(&events));
        Ok(Isolate::new(&self.engine, state, events, place))
    }

    /// Keeps an isolate for further events.
    pub(super) fn keep(&self, isolate: Isolate, places: &Isolates) {
        isolate.events().set_run(None);
        let memory = isolate.memory().peak();
        places.keep(self.id, isolate, memory, IDLE_ISOLATES);
        if self.retired.load(SeqCst) {
            places.forget(self.id);
        }
    }

    pub(super) fn running(&self) -> MutexGuard<'_, Vec<Arc<Events>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
