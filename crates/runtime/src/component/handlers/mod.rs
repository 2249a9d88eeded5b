//! The handlers that a component may export, one in each file.

mod exported;
mod fetch;
mod queue;
mod scheduled;
mod tail;
mod tail_stream;

use crate::component::debug::Debug;
use crate::component::failure::call_failed;
use crate::component::instance::Instance;
use crate::event::{Event, Purpose};
use crate::instance::state::State;
use crate::invocation::Invocation;
use crate::invocation::ending::Call;
pub(super) use exported::Exported;
use std::sync::Arc;
use taffrail_trace::LogLevel;
use wasmtime::Store;
use wasmtime::component::InstancePre;

/// A handler that a component may export.
trait Handler: Sized {
    /// The prefixes of the interfaces that contain the handler. The first one that a component
    /// exports is used.
    const EXPORTS: &'static [&'static str];
    /// The name of the handler in JavaScript.
    const NAME: &'static str;
    /// The message that workerd logs when a Worker without the handler receives the event.
    const MISSING: &'static str;
    /// The event that it handles.
    type Event;

    /// Fails if the interface `export` does not have the expected type.
    fn new(export: &str, exported: &Exported<'_>) -> wasmtime::Result<Self>;

    /// Calls the handler of an instance.
    async fn call(&self, on: On<'_>, event: Self::Event) -> Result<(), NotReturned>;
}

/// The instance that handles an event, which may have to be created first.
pub(super) struct Callee<'a> {
    pub(super) instance: &'a mut Instance,
    pub(super) pre: &'a InstancePre<State>,
    pub(super) debug: &'a Debug,
    pub(super) invocation: &'a Arc<Invocation>,
}

/// The instance on which a handler is called, and its invocation.
pub(super) struct On<'a> {
    pub(super) store: &'a mut Store<State>,
    pub(super) guest: &'a wasmtime::component::Instance,
    pub(super) invocation: &'a Arc<Invocation>,
}

/// The reason why a handler did not return.
pub(super) enum NotReturned {
    /// The guest trapped, or ended its instance.
    Guest(wasmtime::Error),
    /// The host could not call it.
    Host(wasmtime::Error),
}

/// The handlers of a component.
pub(super) struct Handlers {
    fetch: Option<fetch::Handler>,
    tail: Option<tail::Handler>,
    scheduled: Option<scheduled::Handler>,
    queue: Option<queue::Handler>,
    tail_stream: Option<tail_stream::Handler>,
}

impl Handlers {
    /// Whether any of these export names is a handler.
    pub(super) fn are_among(exports: &[String]) -> bool {
        !Self::names_among(exports).is_empty()
    }

    /// The names in JavaScript of the handlers among exports of these names.
    pub(super) fn names_among(exports: &[String]) -> Vec<&'static str> {
        fn one<H: Handler>(exports: &[String]) -> Option<&'static str> {
            let mut prefixes = H::EXPORTS.iter();
            let found = prefixes.any(|prefix| exports.iter().any(|name| name.starts_with(prefix)));
            found.then_some(H::NAME)
        }
        let handlers = [
            one::<fetch::Handler>(exports),
            one::<tail::Handler>(exports),
            one::<scheduled::Handler>(exports),
            one::<queue::Handler>(exports),
            one::<tail_stream::Handler>(exports),
        ];
        handlers.into_iter().flatten().collect()
    }

    pub(super) fn new(exports: &[String], exported: &Exported<'_>) -> wasmtime::Result<Self> {
        Ok(Self {
            fetch: find(exports, exported)?,
            tail: find(exports, exported)?,
            scheduled: find(exports, exported)?,
            queue: find(exports, exported)?,
            tail_stream: find(exports, exported)?,
        })
    }

    pub(super) fn have_fetch(&self) -> bool {
        self.fetch.is_some()
    }

    pub(super) fn have_tail(&self) -> bool {
        self.tail.is_some()
    }

    /// Calls the handler of an event, if there is one.
    pub(super) async fn call(&self, callee: Callee<'_>, event: Event) -> Call {
        match event {
            Event::Fetch(event) => call(self.fetch.as_ref(), callee, event).await,
            Event::Tail(event) => call(self.tail.as_ref(), callee, event).await,
            Event::Scheduled(event) => call(self.scheduled.as_ref(), callee, event).await,
            Event::Queue(event) => call(self.queue.as_ref(), callee, event).await,
            // No component has a handler for the following events.
            Event::Alarm(_) => no_handler("alarm"),
            Event::Session(event) => no_handler(match event.purpose {
                Purpose::Rpc(_) => "rpc",
                Purpose::Connect => "connect",
            }),
            Event::TailStream(event) => match &self.tail_stream {
                Some(_) => call(self.tail_stream.as_ref(), callee, event).await,
                // The outcome is `ok` on Workers (SEMANTICS R76).
                None => {
                    let missing = <tail_stream::Handler as Handler>::MISSING;
                    callee.invocation.log_text(LogLevel::Warn, missing);
                    Call::Returned
                }
            },
        }
    }

    /// Returns whether the handler of fetch events is for WASI 0.3.
    pub(super) fn have_fetch_p3(&self) -> bool {
        matches!(self.fetch, Some(fetch::Handler::P3(_)))
    }

    /// Whether the guest was stopped before the end of its response body.
    pub(super) fn response_is_cut_off(&self, store: &mut Store<State>, call: &Call) -> bool {
        let fetch = self.fetch.as_ref();
        fetch.is_some_and(|fetch| fetch.response_is_cut_off(store, call))
    }
}

/// Returns the handler of type `H`, if it is among `exports`.
fn find<H: Handler>(exports: &[String], exported: &Exported<'_>) -> wasmtime::Result<Option<H>> {
    let mut prefixes = H::EXPORTS.iter();
    let export = prefixes.find_map(|prefix| exports.iter().find(|name| name.starts_with(prefix)));
    export.map(|export| H::new(export, exported)).transpose()
}

async fn call<H: Handler>(
    handler: Option<&H>,
    Callee {
        instance,
        pre,
        debug,
        invocation,
    }: Callee<'_>,
    event: H::Event,
) -> Call {
    let Some(handler) = handler else {
        invocation.log_text(LogLevel::Warn, H::MISSING);
        return no_handler(H::NAME);
    };
    let guest = match instance.guest(pre, debug).await {
        Ok(guest) => guest,
        Err(call) => return call,
    };
    let on = On {
        store: &mut instance.store,
        guest: &guest,
        invocation,
    };
    match handler.call(on, event).await {
        Ok(()) => {
            instance.handler_returned();
            Call::Returned
        }
        Err(NotReturned::Guest(error)) => call_failed(&error, Some(debug)),
        Err(NotReturned::Host(error)) => Call::HostFailed(format!("{error:#}")),
    }
}

/// Returns the end of an event without a handler, in workerd's words.
fn no_handler(name: &str) -> Call {
    Call::NoHandler(format!("Handler does not export a {name}() function."))
}
