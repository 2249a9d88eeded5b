//! An instance of a component, which may handle several events, one after the other.

use crate::channels::Channels;
use crate::component::debug::Debug;
use crate::component::failure::instantiation_failed;
use crate::instance::state::State;
use crate::invocation::Invocation;
use crate::invocation::ending::Call;
use crate::places::Place;
use std::sync::Arc;
use taffrail_trace::TraceItem;
use wasmtime::Store;
use wasmtime::component::InstancePre;

/// An instance of a component with its store.
pub(crate) struct Instance {
    pub(super) store: Store<State>,
    /// None until its first event is handled.
    guest: Option<wasmtime::component::Instance>,
    /// The number of events that it has begun to handle.
    events: u32,
    /// Declared after the store, so that it is dropped after it.
    _place: Place,
}

impl Instance {
    /// Creates an instance for an event. `items` are those of a tail event.
    pub(crate) fn new(
        pre: &InstancePre<State>,
        invocation: &Arc<Invocation>,
        channels: &Arc<dyn Channels>,
        items: Vec<Arc<TraceItem>>,
        place: Place,
    ) -> Self {
        Self {
            store: State::store(pre.engine(), invocation, channels, items),
            guest: None,
            events: 1,
            _place: place,
        }
    }

    /// Begins a further event.
    pub(crate) fn begin(&mut self, invocation: &Arc<Invocation>, items: Vec<Arc<TraceItem>>) {
        self.events += 1;
        self.store.data_mut().begin(invocation, items);
        // The epoch has gone on in the meantime.
        self.store.set_epoch_deadline(1);
    }

    /// Returns the guest, which is created for the first event.
    pub(super) async fn guest(
        &mut self,
        pre: &InstancePre<State>,
        debug: &Debug,
    ) -> Result<wasmtime::component::Instance, Call> {
        if let Some(guest) = self.guest {
            return Ok(guest);
        }
        let guest = pre.instantiate_async(&mut self.store).await;
        let guest =
            guest.map_err(|error| instantiation_failed(&error, self.store.data(), Some(debug)))?;
        self.guest = Some(guest);
        Ok(guest)
    }

    /// Records that the handler of the event has returned.
    pub(super) fn handler_returned(&mut self) {
        self.store.data_mut().has_returned = true;
    }

    /// Ends the event. Returns whether the instance can handle another one: it has handled fewer
    /// than `most`, the handler has returned, and the guest holds nothing that belongs to the
    /// event.
    pub(crate) fn end(&mut self, most: u32) -> bool {
        self.events < most && self.store.data_mut().end()
    }

    /// Returns its memory in bytes.
    pub(crate) fn memory(&self) -> usize {
        self.store.data().memory.peak()
    }
}
