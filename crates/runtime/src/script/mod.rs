//! Workers that are scripts: the engine component evaluates them once and is
//! kept for further events.

mod abandoned;
mod byte_string;
mod call;
pub(crate) mod engine;
mod event;
mod events;
mod exchange;
mod host;
mod kv;
mod load;
mod object;
mod outbound;
mod run;
mod source;
mod state;
mod storage;
mod token;

pub use engine::ScriptEngine;
use exchange::Exchange;
pub use source::Source;
pub(crate) use state::IsolateState;

use crate::channels::Channels;
use crate::component::Names;
use crate::component::execute::{guarded, poll_once};
use crate::component::failure::{call_failed, instantiation_failed};
use crate::error::Error;
use crate::event::Event;
use crate::instance::state::StoreData;
use crate::invocation::Invocation;
use crate::invocation::caught::{Panicked, caught};
use crate::invocation::ending::Call;
use crate::invocation::lanes::{HEAVY, Lanes};
use crate::places::{OwnerId, Place, Places};
use engine::Guest;
use events::{Events, Job, Ticket};
use object::Objects;
use run::Run;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use taffrail_store::ObjectKey;
use wasmtime::Store;

/// A script, and the engine that runs it.
pub struct Script(Arc<Shared>);

/// What a script shares with its isolates.
struct Shared {
    engine: Arc<ScriptEngine>,
    source: Arc<Source>,
    /// Under which its isolates idle.
    id: OwnerId,
    objects: Objects,
    /// The isolates that run events, but for Durable Objects.
    running: Mutex<Vec<Arc<Events>>>,
    /// Whether its Worker is gone, so that no isolate has a use any more.
    retired: AtomicBool,
}

/// The places of a process, with the isolates that idle.
pub(crate) type Isolates = Places<Isolate>;

/// Isolates of one script that wait for a further event. Each holds the memory
/// of its script.
const IDLE_ISOLATES: usize = 16;

/// An instance of the engine that has evaluated the script, or is about to.
pub(crate) struct Isolate {
    store: Store<IsolateState>,
    guest: Option<Guest>,
    events: Arc<Events>,
    /// Behind the store, to be dropped after it.
    _place: Place,
}

/// What isolates live in.
#[derive(Clone)]
pub(crate) struct Surroundings {
    /// What their Worker can reach.
    pub(crate) channels: Arc<dyn Channels>,
    pub(crate) lanes: Arc<Lanes>,
    pub(crate) places: Arc<Isolates>,
}

impl Script {
    /// The script of a Worker, to be run by `engine`.
    #[must_use]
    pub fn new(engine: Arc<ScriptEngine>, source: Source) -> Self {
        Self(Arc::new(Shared {
            engine,
            source: Arc::new(source),
            id: OwnerId::new(),
            objects: Objects::default(),
            running: Mutex::default(),
            retired: AtomicBool::new(false),
        }))
    }

    /// The script that a component was built of, which `engine` is.
    pub(crate) fn built(engine: ScriptEngine, names: &Names) -> Result<Self, Error> {
        match &names.script {
            Some(json) => Ok(Self::new(Arc::new(engine), Source::built(json))),
            None => Err(Error::component(
                "it is a JavaScript engine without a script",
            )),
        }
    }

    /// Evaluates the script, so that an isolate is ready for the first event.
    pub(crate) async fn start(&self, invocation: &Arc<Invocation>, surroundings: &Surroundings) {
        self.0.start(invocation, surroundings).await;
    }

    /// Runs one event to its end.
    pub(crate) async fn run(
        &self,
        invocation: &Arc<Invocation>,
        surroundings: &Surroundings,
        event: Event,
    ) {
        let light = HEAVY * event.count();
        let json: Arc<str> = match event::to_json(&event, invocation) {
            Ok(json) => json.into(),
            Err(error) => return invocation.ended(Call::HostFailed(error.to_string())),
        };
        let run = Run::new(invocation, event::exchange(event));
        self.0.run(&run, surroundings, &json, light).await;
    }

    /// Ends its isolates that idle, and those that run once they do.
    pub(crate) fn retire(&self, places: &Isolates) {
        self.0.retired.store(true, SeqCst);
        places.forget(self.0.id);
    }
}

impl Shared {
    async fn start(&self, invocation: &Arc<Invocation>, surroundings: &Surroundings) {
        let _awake = self.engine.linked.keep_awake();
        let run = Run::new(invocation, Exchange::default());
        let mut isolate = match self.new_isolate(&run, surroundings, Arc::default()).await {
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
        invocation.memory(&isolate.store.data().state.memory);
        invocation.ended(call);
        if started {
            self.keep(isolate, &surroundings.places);
        }
    }

    async fn run(
        self: &Arc<Self>,
        run: &Arc<Run>,
        surroundings: &Surroundings,
        event: &Arc<str>,
        light: Duration,
    ) {
        let invocation = &run.invocation;
        loop {
            let (job, end) = Job::new(run, event, light);
            let (events, number) = match self.hand_over(run, surroundings, job).await {
                Ok(handed_over) => handed_over,
                Err(call) => return invocation.ended(call),
            };
            let ticket = Ticket {
                events,
                number,
                run,
                end,
            };
            if ticket.has_begun().await {
                return;
            }
        }
    }

    /// Finds an isolate for an event, or makes one.
    async fn hand_over(
        self: &Arc<Self>,
        run: &Arc<Run>,
        surroundings: &Surroundings,
        job: Job,
    ) -> Result<(Arc<Events>, u32), Call> {
        let invocation = &run.invocation;
        if let (Some(object), Some(class)) = (invocation.via.object(), invocation.via.entrypoint())
        {
            let key = ObjectKey {
                class: class.to_owned(),
                id: object.id.clone(),
            };
            let found = Objects::push(self, run, surroundings, &key, job);
            return found.map_err(Call::Shed);
        }
        let (isolate, job) = match self.running_or_kept(run, &surroundings.places, job) {
            Found::Running(events, number) => return Ok((events, number)),
            Found::Kept(isolate, job) => (isolate, job),
            Found::None(job) => (
                self.new_isolate(run, surroundings, Arc::default()).await?,
                job,
            ),
        };
        let events = Arc::clone(&isolate.events);
        events.open();
        let Ok(number) = events.join(job) else {
            return Err(Call::HostFailed("the isolate takes no event".to_owned()));
        };
        self.running().push(Arc::clone(&events));
        begin(Arc::clone(self), surroundings.clone(), isolate).await;
        Ok((events, number))
    }

    /// An isolate that runs already, or one that idles.
    fn running_or_kept(&self, run: &Arc<Run>, places: &Isolates, mut job: Job) -> Found {
        // Held, so that an isolate whose last event ends is found as the one or
        // as the other.
        let running = self.running();
        for events in running.iter() {
            match events.join(job) {
                Ok(number) => return Found::Running(Arc::clone(events), number),
                Err(refused) => job = refused,
            }
        }
        match places.reuse(self.id) {
            Some(isolate) => {
                isolate.events.set_run(Some(Arc::clone(run)));
                Found::Kept(isolate, job)
            }
            None => Found::None(job),
        }
    }

    async fn new_isolate(
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
        Ok(Isolate {
            store: state.into_store(self.engine.linked.engine()),
            guest: None,
            events,
            _place: place,
        })
    }

    fn keep(&self, isolate: Isolate, places: &Isolates) {
        isolate.events.set_run(None);
        let memory = isolate.store.data().state.memory.peak();
        places.keep(self.id, isolate, memory, IDLE_ISOLATES);
        if self.retired.load(SeqCst) {
            places.forget(self.id);
        }
    }

    fn running(&self) -> MutexGuard<'_, Vec<Arc<Events>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where an event goes.
enum Found {
    Running(Arc<Events>, u32),
    Kept(Isolate, Job),
    None(Job),
}

/// Has an isolate live, here as long as nothing has to be waited for.
async fn begin(script: Arc<Shared>, surroundings: Surroundings, isolate: Isolate) {
    let events = Arc::clone(&isolate.events);
    let Surroundings { lanes, places, .. } = surroundings;
    let mut life: Pin<Box<dyn Future<Output = ()> + Send>> =
        Box::pin(live(script, places, isolate));
    if poll_once(life.as_mut()).await.is_pending() {
        tokio::spawn(async move {
            lanes.alternate(life, move || events.is_heavy()).await;
        });
    }
}

/// The life of an isolate, from one event until it runs none.
async fn live(script: Arc<Shared>, places: Arc<Isolates>, mut isolate: Isolate) {
    let _awake = script.engine.linked.keep_awake();
    let events = Arc::clone(&isolate.events);
    loop {
        let mut reusable = true;
        let call = match events.begin() {
            Some((number, event)) => {
                let run = isolate.run(&script, number, &event, &mut reusable);
                let call = caught(events.measure(pin!(run))).await;
                call.unwrap_or_else(|_| Call::HostFailed(Panicked::MESSAGE.to_owned()))
            }
            // Nobody waits for it any more.
            None => Call::Returned,
        };
        let mut running = script.running();
        let leave = |running: &mut Vec<Arc<Events>>| {
            running.retain(|other| !Arc::ptr_eq(other, &events));
        };
        let memory = &isolate.store.data().state.memory;
        if !matches!(call, Call::Returned) {
            leave(&mut running);
            drop(running);
            events.end(call, memory);
            return;
        }
        reusable &= isolate.guest.is_some();
        let rest = events.rest(reusable, memory);
        if let Some(next) = &rest.next {
            events.set_run(Some(Arc::clone(next)));
            drop(running);
            rest.tell();
            continue;
        }
        leave(&mut running);
        if rest.is_kept {
            script.keep(isolate, &places);
        }
        drop(running);
        rest.tell();
        return;
    }
}

impl Isolate {
    /// The instance, which has evaluated the script. None if that failed.
    async fn guest(
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
        // A script that fails tells why itself.
        if started.map_err(|error| failed(&error))? {
            self.guest = Some(guest);
        } else {
            self.store.data().state.invocation().not_started();
        }
        Ok(self.guest.as_ref())
    }

    /// Handles an event and those that come meanwhile, and tells whether the
    /// isolate can take another one.
    async fn run(
        &mut self,
        script: &Shared,
        number: u32,
        event: &String,
        reusable: &mut bool,
    ) -> Call {
        let handler = match self.guest(&script.engine, &script.source).await {
            Ok(Some(guest)) => guest.taffrail_javascript_script().clone(),
            Ok(None) => return Call::Returned,
            Err(call) => return call,
        };
        if !self.events.is_running(number) {
            // It was cancelled before the script was there.
            return Call::Returned;
        }
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
