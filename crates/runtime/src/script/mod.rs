//! Workers that are scripts: the engine component evaluates them once and is
//! kept for further events.

pub(crate) mod abandoned;
mod byte_string;
pub(crate) mod call;
mod event;
pub(crate) mod exchange;
mod host;
mod kv;
mod load;
mod object;
pub(crate) mod session;
mod source;
mod storage;
mod token;
mod unread;

pub(crate) use event::Event;
pub(crate) use exchange::Exchange;
pub(crate) use host::ScriptHost;
pub(crate) use object::ObjectKey;
pub use source::Source;
pub(crate) use token::Token;
pub(crate) use unread::unread;

use crate::bindings::javascript::Engine as Guest;
use crate::component::Component;
use crate::ending::Call;
use crate::execute::{Respond, guarded};
use crate::failure::{call_failed, instantiation_failed};
use crate::invocation::Invocation;
use crate::places::{OwnerId, Place, Places};
use crate::state::State;
use crate::worker::Code;
use abandoned::Abandonable;
use exchange::Idle;
use object::Objects;
use std::sync::Arc;
use wasmtime::Store;
use wasmtime_wasi_http::WasiBody;

/// A script, and the engine that runs it.
pub struct Script {
    engine: Arc<Component>,
    source: Arc<Source>,
    /// Under which its isolates idle.
    id: OwnerId,
    objects: Objects,
}

/// The places of a process, with the isolates that idle.
pub(crate) type Isolates = Places<Isolate>;

/// Isolates of one script that wait for a further event. Each holds the memory
/// of its script.
const IDLE_ISOLATES: usize = 16;

/// An instance of the engine that has evaluated the script, or is about to.
pub(crate) struct Isolate {
    store: Store<State>,
    guest: Option<Guest>,
    /// Behind the store, to be dropped after it.
    _place: Place,
}

/// What belongs to a fetch event beside what the script is told of it.
pub(crate) struct Fetch {
    pub(crate) body: WasiBody,
    pub(crate) respond: Respond,
}

impl Script {
    /// The script of a Worker, to be run by `engine`: a component that
    /// [is an engine](Component::is_engine).
    #[must_use]
    pub fn new(engine: Arc<Component>, source: Source) -> Self {
        Self {
            engine,
            source: Arc::new(source),
            id: OwnerId::new(),
            objects: Objects::default(),
        }
    }

    /// The script that a component was built with, or the component itself if
    /// it was built otherwise.
    pub(crate) fn of_component(mut component: Component) -> Code {
        match component.take_built().map(|json| Source::built(&json)) {
            Some(source) => Code::Script(Self::new(Arc::new(component), source)),
            None => Code::Component(component),
        }
    }

    /// Evaluates the script, so that an isolate is ready for the first event.
    pub(crate) async fn start(&self, invocation: &Arc<Invocation>) {
        let _awake = self.engine.keep_awake();
        let mut isolate = match self.new_isolate(invocation).await {
            Ok(isolate) => isolate,
            Err(call) => return invocation.ended(call),
        };
        let start = async {
            match isolate.guest(&self.engine, &self.source).await {
                Ok(_) => Call::Returned,
                Err(call) => call,
            }
        };
        let call = guarded(invocation, start).await;
        let started = matches!(call, Call::Returned) && isolate.guest.is_some();
        invocation.memory(&isolate.store.data().memory);
        invocation.ended(call);
        if started {
            self.keep(isolate, invocation);
        }
    }

    /// Runs one event to its end.
    pub(crate) async fn run(&self, invocation: &Arc<Invocation>, event: &Event<'_>) {
        let event = match event.to_json(invocation) {
            Ok(event) => event,
            Err(error) => return invocation.ended(Call::HostFailed(error.to_string())),
        };
        if let (Some(object), Some(class)) = (invocation.via.object(), invocation.via.entrypoint())
        {
            let key = ObjectKey {
                class: class.to_owned(),
                id: object.id.clone(),
            };
            return self.run_in_object(invocation, event, key).await;
        }
        let _awake = self.engine.keep_awake();
        let isolate = match self.kept_isolate(invocation) {
            Some(isolate) => Ok(isolate),
            None => self.new_isolate(invocation).await,
        };
        let mut isolate = match isolate {
            Ok(isolate) => isolate,
            Err(call) => return invocation.ended(call),
        };
        let mut reusable = false;
        let run = isolate.run(&self.engine, &self.source, &event, &mut reusable);
        let call = guarded(invocation, run).await;
        if invocation.exchange.is_open() {
            invocation.response_cut_off();
        }
        let memory = &isolate.store.data().memory;
        invocation.memory(memory);
        // One that keeps much is given up before it meets its limit.
        reusable &= memory.peak() < invocation.worker.settings.limits.memory / 2;
        // What one event was refused explains nothing of the next one's end.
        reusable &= !memory.refused();
        // One that does not do what it is for may never do it again.
        reusable &= invocation.is_handled();
        invocation.ended(call);
        if reusable {
            self.keep(isolate, invocation);
        }
        // Only now: it may end callees, whose tails want the isolate next.
        invocation.exchange.finish();
    }

    fn kept_isolate(&self, invocation: &Arc<Invocation>) -> Option<Isolate> {
        let isolate = invocation.worker.places.reuse(self.id)?;
        let current = &isolate.store.data().current;
        current.set(Some(Arc::clone(invocation)));
        Some(isolate)
    }

    async fn new_isolate(&self, invocation: &Arc<Invocation>) -> Result<Isolate, Call> {
        let place = invocation.place(self.engine.size()).await?;
        let mut store = State::store(self.engine.engine(), invocation, Vec::new());
        store.data_mut().outbound.script = Some(ScriptHost {
            source: Arc::clone(&self.source),
            token: Token::new(),
            idle: Idle::default(),
            abandonable: Abandonable::default(),
            object: None,
        });
        Ok(Isolate {
            store,
            guest: None,
            _place: place,
        })
    }

    fn keep(&self, isolate: Isolate, invocation: &Invocation) {
        let state = isolate.store.data();
        state.current.set(None);
        let memory = state.memory.peak();
        let places = &invocation.worker.places;
        places.keep(self.id, isolate, memory, IDLE_ISOLATES);
    }

    pub(crate) fn id(&self) -> OwnerId {
        self.id
    }
}

impl Isolate {
    /// The instance, which has evaluated the script. None if that failed.
    async fn guest(&mut self, engine: &Component, source: &Source) -> Result<Option<&Guest>, Call> {
        if self.guest.is_some() {
            return Ok(self.guest.as_ref());
        }
        let Some(pre) = &engine.script else {
            let message = "the component that is to run the script is no engine".to_owned();
            return Err(Call::HostFailed(message));
        };
        let store = &mut self.store;
        let guest = pre
            .instantiate_async(&mut *store)
            .await
            .map_err(|error| instantiation_failed(&error, store.data()))?;
        let setup = store.data().outbound.script.as_ref().map(|script| {
            let invocation = store.data().invocation();
            event::setup(&invocation, source, &script.token)
        });
        let setup = setup.unwrap_or_default();
        let script = guest.taffrail_javascript_script();
        let started = script.call_start(store, source.text(), &setup).await;
        // A script that fails tells why itself.
        if started.map_err(|error| failed(&error))? {
            self.guest = Some(guest);
        } else {
            self.store.data().invocation().not_started();
        }
        Ok(self.guest.as_ref())
    }

    /// Handles an event, and tells whether the isolate can take another one.
    async fn run(
        &mut self,
        engine: &Component,
        source: &Source,
        event: &String,
        reusable: &mut bool,
    ) -> Call {
        let handler = match self.guest(engine, source).await {
            Ok(Some(guest)) => guest.taffrail_javascript_script().clone(),
            Ok(None) => return Call::Returned,
            Err(call) => return call,
        };
        match handler.call_handle(&mut self.store, event).await {
            Ok(clean) => {
                *reusable = clean;
                Call::Returned
            }
            Err(error) => failed(&error),
        }
    }
}

/// The end of a call that failed. Its stack would be the engine's.
fn failed(error: &wasmtime::Error) -> Call {
    match call_failed(error, None) {
        Call::Trapped(mut trapped) => {
            trapped.stack = None;
            Call::Trapped(trapped)
        }
        call => call,
    }
}
