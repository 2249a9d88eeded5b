//! The store data of an isolate.

use crate::channels::Channels;
use crate::instance::state::{State, StoreData};
use crate::invocation::ending::Cut;
use crate::invocation::limits::MemoryLimiter;
use crate::invocation::lines::Stream;
use crate::invocation::{CutOff, Invocation};
use crate::script::abandoned::Abandonable;
use crate::script::events::Events;
use crate::script::exchange::Idle;
use crate::script::object::Object;
use crate::script::source::Source;
use crate::script::token::Token;
use std::sync::Arc;
use wasmtime_wasi::{WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtxView, WasiHttpView};

/// The data of an isolate's store.
pub(crate) struct IsolateState {
    /// The data that every guest has.
    pub(super) state: State,
    pub(super) host: ScriptHost,
}

/// The data that only a script has.
pub(crate) struct ScriptHost {
    pub(super) source: Arc<Source>,
    pub(super) channels: Arc<dyn Channels>,
    pub(super) token: Token,
    pub(super) idle: Idle,
    pub(super) abandonable: Abandonable,
    pub(super) events: Arc<Events>,
    /// The Durable Object, if the isolate is one.
    pub(super) object: Option<Arc<Object>>,
}

impl IsolateState {
    /// Creates the data for the script of `source`, which is evaluated on behalf of `invocation`.
    pub(super) fn new(
        invocation: &Invocation,
        channels: &Arc<dyn Channels>,
        source: &Arc<Source>,
        events: Arc<Events>,
    ) -> Self {
        let current = events.current().clone();
        Self {
            state: State::new(invocation, current, channels, Vec::new(), record),
            host: ScriptHost {
                source: Arc::clone(source),
                channels: Arc::clone(channels),
                token: Token::new(),
                idle: Idle::default(),
                abandonable: Abandonable::default(),
                events,
                object: None,
            },
        }
    }
}

/// Scripts have a console of their own. The engine writes to stderr only by itself, possibly to
/// say why it aborts.
fn record(invocation: &Invocation, stream: Stream, bytes: &[u8]) {
    if stream == Stream::Stderr {
        invocation.engine_output(bytes);
    }
}

impl ScriptHost {
    /// Whether the script waits only for messages from its host, given how many things it waits
    /// for. A Durable Object may then still receive events.
    fn waits_for_nothing_else(&self, things: usize) -> bool {
        let asked = 1 + usize::from(self.events.is_asked());
        things == asked && self.object.is_none()
    }
}

impl StoreData for IsolateState {
    fn memory(&mut self) -> &mut MemoryLimiter {
        &mut self.state.memory
    }

    fn tick(&mut self) -> Result<(), CutOff> {
        let invocation = self.state.look_at_limits();
        let events = &self.host.events;
        let ends_guest = match invocation.cut_reason() {
            None | Some(Cut::Cpu | Cut::Memory) => true,
            // The script is notified, and goes on.
            Some(Cut::ClientLeft) => false,
            // One of several events cannot be stopped without ending the isolate.
            Some(_) => events.is_alone(&invocation),
        };
        if ends_guest {
            invocation.check_cut()?;
        }
        match events.is_abandoned() {
            true => Err(CutOff),
            false => Ok(()),
        }
    }

    fn waits(&self, pollables: usize) {
        self.state.invocation().turn_ended();
        if self.host.waits_for_nothing_else(pollables) && self.host.idle.take() {
            match self.state.memory.refused() {
                // The engine continues without the memory that it was refused.
                true => self.state.invocation().cut(Cut::Memory),
                false => self.host.idle.raise(),
            }
        }
    }

    fn goes_on(&self) {
        self.state.invocation().turn_began();
    }

    fn until_end(&self) -> impl Future<Output = ()> + Send + use<> {
        let events = Arc::clone(&self.host.events);
        async move { events.until_ending().await }
    }
}

impl WasiView for IsolateState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        self.state.ctx()
    }
}

impl WasiHttpView for IsolateState {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView {
            hooks: &mut self.host,
            ..self.state.http()
        }
    }
}
