//! The part of a script that its isolates share.

use crate::channels::Channels;
use crate::invocation::ending::Call;
use crate::invocation::lanes::Lanes;
use crate::places::{OwnerId, Places};
use crate::script::engine::ScriptEngine;
use crate::script::events::Events;
use crate::script::isolate::Isolate;
use crate::script::object::Objects;
use crate::script::run::Run;
use crate::script::source::Source;
use crate::script::state::IsolateState;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The part of a script that its isolates share.
pub(super) struct Program {
    pub(super) engine: Arc<ScriptEngine>,
    pub(super) source: Arc<Source>,
    /// The id under which its isolates idle.
    id: OwnerId,
    pub(super) objects: Arc<Objects>,
    /// The isolates that run events, without Durable Objects.
    running: Mutex<Vec<Arc<Events>>>,
    /// Whether its Worker is gone. If so, isolates are not kept.
    retired: AtomicBool,
}

/// The parts of the runtime that isolates depend on.
#[derive(Clone)]
pub(crate) struct Surroundings {
    /// Everything that their Worker can reach.
    pub(crate) channels: Arc<dyn Channels>,
    pub(crate) lanes: Arc<Lanes>,
    pub(crate) places: Arc<Places>,
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

    /// Returns the most recently used idle isolate.
    pub(super) fn reuse(&self, places: &Places) -> Option<Isolate> {
        places.reuse(self.id)
    }

    /// Ends its idle isolates, and the running ones once they are idle.
    pub(super) fn retire(&self, places: &Places) {
        self.retired.store(true, SeqCst);
        places.forget(self.id);
    }

    /// Creates an isolate that has yet to evaluate the script.
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
    pub(super) fn keep(&self, isolate: Isolate, places: &Places) {
        isolate.events().set_run(None);
        let memory = isolate.memory().peak();
        places.keep(self.id, isolate, memory);
        if self.retired.load(SeqCst) {
            places.forget(self.id);
        }
    }

    pub(super) fn running(&self) -> MutexGuard<'_, Vec<Arc<Events>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
