//! An instance of the engine that runs a script.

use crate::component::failure::{call_failed, instantiation_failed};
use crate::instance::state::StoreData;
use crate::invocation::ending::Call;
use crate::invocation::limits::MemoryLimiter;
use crate::places::Place;
use crate::script::engine::{Guest, ScriptEngine};
use crate::script::event;
use crate::script::events::Events;
use crate::script::object::Object;
use crate::script::source::Source;
use crate::script::state::IsolateState;
use std::sync::Arc;
use wasmtime::Store;

/// An instance of the engine that has evaluated the script, or is about to.
pub(crate) struct Isolate {
    store: Store<IsolateState>,
    guest: Option<Guest>,
    events: Arc<Events>,
    /// Declared after the store, so that it is dropped after it.
    _place: Place,
}

impl Isolate {
    pub(super) fn new(
        engine: &ScriptEngine,
        state: IsolateState,
        events: Arc<Events>,
        place: Place,
    ) -> Self {
        Self {
            store: state.into_store(engine.linked.engine()),
            guest: None,
            events,
            _place: place,
        }
    }

    pub(super) fn events(&self) -> &Arc<Events> {
        &self.events
    }

    pub(super) fn memory(&self) -> &MemoryLimiter {
        &self.store.data().state.memory
    }

    /// Whether the script has been evaluated.
    pub(super) fn has_started(&self) -> bool {
        self.guest.is_some()
    }

    /// Makes the isolate a Durable Object.
    pub(super) fn set_object(&mut self, object: &Arc<Object>) {
        self.store.data_mut().host.object = Some(Arc::clone(object));
    }

    /// Returns the instance, after evaluating the script if necessary. Returns `None` if that
    /// failed.
    pub(super) async fn guest(
        &mut self,
        engine: &ScriptEngine,
        source: &Source,
    ) -> Result<Option<&Guest>, Call> {
        if self.guest.is_some() {
            return Ok(self.guest.as_ref());
        }
        let store = &mut self.store;
        let guest = engine
            .pre
            .instantiate_async(&mut *store)
            .await
            .map_err(|error| instantiation_failed(&error, &store.data().state, None))?;
        let IsolateState { state, host } = store.data();
        let setup = event::setup(&state.invocation(), source, &host.token);
        let script = guest.taffrail_javascript_script();
        let started = script.call_start(store, source.text(), &setup).await;
        // A script that fails reports the exception itself.
        // Without the stack, which would be the engine's.
        if started.map_err(|error| call_failed(&error, None))? {
            self.guest = Some(guest);
        } else {
            self.store.data().state.invocation().not_started();
        }
        Ok(self.guest.as_ref())
    }

    /// Handles an event, and those that arrive in the meantime. Returns whether the isolate can
    /// take another one.
    pub(super) async fn run(
        &mut self,
        engine: &ScriptEngine,
        source: &Source,
        number: u32,
        event: &String,
        reusable: &mut bool,
    ) -> Call {
        let handler = match self.guest(engine, source).await {
            Ok(Some(guest)) => guest.taffrail_javascript_script().clone(),
            Ok(None) => return Call::Returned,
            Err(call) => return call,
        };
        if !self.events.is_running(number) {
            // The event was cancelled before the script was evaluated.
            return Call::Returned;
        }
        self.store.data_mut().state.has_returned = false;
        match handler.call_handle(&mut self.store, event).await {
            Ok(clean) => {
                self.store.data_mut().state.has_returned = true;
                *reusable = clean;
                Call::Returned
            }
            Err(error) => call_failed(&error, None),
        }
    }
}
