//! Workers that are scripts. The engine component evaluates a script once, and is kept for
//! further events.

mod abandoned;
mod byte_string;
mod call;
mod callee;
pub(crate) mod engine;
mod event;
mod events;
mod exchange;
mod host;
mod isolate;
mod isolate_life;
mod kv;
mod load;
mod object;
mod object_life;
mod outbound;
mod program;
mod queue;
mod run;
mod source;
mod sql;
mod state;
mod storage;
mod stream_lines;
mod token;
mod user_spans;

pub use engine::ScriptEngine;
use exchange::Exchange;
pub(crate) use program::Surroundings;
pub use source::Source;
pub(crate) use state::IsolateState;

use crate::component::Names;
use crate::component::run::run_with_limits;
use crate::error::Error;
use crate::event::Event;
use crate::invocation::Invocation;
use crate::invocation::ending::Call;
use crate::invocation::lanes::HEAVY;
use crate::places::Places;
use events::{Events, Ticket};
use isolate::Isolate;
use isolate_life::begin;
use program::Program;
use queue::Job;
use run::Run;
use std::sync::Arc;
use std::time::Duration;
use taffrail_store::ObjectKey;

/// A script with the engine that runs it.
pub struct Script(Arc<Program>);

impl Script {
    /// Creates a script that `engine` runs.
    #[must_use]
    pub fn new(engine: Arc<ScriptEngine>, source: Source) -> Self {
        Self(Arc::new(Program::new(engine, source)))
    }

    /// Returns the script that a component was built from. `engine` is that component.
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
        start(&self.0, invocation, surroundings).await;
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
        run_event(&self.0, &run, surroundings, &json, light).await;
    }

    /// Ends its idle isolates, and the running ones once they are idle.
    pub(crate) fn retire(&self, places: &Places) {
        self.0.retire(places);
    }
}

async fn start(program: &Program, invocation: &Arc<Invocation>, surroundings: &Surroundings) {
    let _awake = program.engine.linked.keep_awake();
    let run = Run::new(invocation, Exchange::default());
    let mut isolate = match program
        .new_isolate(&run, surroundings, Arc::default())
        .await
    {
        Ok(isolate) => isolate,
        Err(call) => return invocation.ended(call),
    };
    let start = async {
        match isolate.guest(&program.engine, &program.source).await {
            Ok(_) => Call::Returned,
            Err(call) => call,
        }
    };
    let call = run_with_limits(invocation, start).await;
    let started = matches!(call, Call::Returned) && isolate.has_started();
    invocation.memory(isolate.memory());
    invocation.ended(call);
    if started {
        program.keep(isolate, &surroundings.places);
    }
}

async fn run_event(
    program: &Arc<Program>,
    run: &Arc<Run>,
    surroundings: &Surroundings,
    event: &Arc<str>,
    light: Duration,
) {
    let invocation = &run.invocation;
    loop {
        let (job, end) = Job::new(run, event, light);
        let (events, number) = match hand_over(program, run, surroundings, job).await {
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

/// Finds an isolate for an event, or creates one.
async fn hand_over(
    program: &Arc<Program>,
    run: &Arc<Run>,
    surroundings: &Surroundings,
    job: Job,
) -> Result<(Arc<Events>, u32), Call> {
    let invocation = &run.invocation;
    if let (Some(object), Some(class)) =
        (invocation.origin.object(), invocation.origin.entrypoint())
    {
        let key = ObjectKey {
            class: class.to_owned(),
            id: object.id.clone(),
        };
        let found = object_life::push(program, run, surroundings, &key, job);
        return found.map_err(Call::Shed);
    }
    let (isolate, job) = match running_or_kept(program, run, &surroundings.places, job) {
        Found::Running(events, number) => return Ok((events, number)),
        Found::Kept(isolate, job) => (isolate, job),
        Found::None(job) => (
            program
                .new_isolate(run, surroundings, Arc::default())
                .await?,
            job,
        ),
    };
    let events = Arc::clone(isolate.events());
    events.open();
    let Ok(number) = events.join(job) else {
        return Err(Call::HostFailed(
            "a new isolate refused its event".to_owned(),
        ));
    };
    program.running().push(Arc::clone(&events));
    begin(Arc::clone(program), surroundings.clone(), isolate).await;
    Ok((events, number))
}

/// Finds a running isolate that takes the event, or an idle one.
fn running_or_kept(program: &Program, run: &Arc<Run>, places: &Places, mut job: Job) -> Found {
    // The lock is held throughout, so that an isolate whose last event is ending is found either
    // as running or as idle.
    let running = program.running();
    for events in running.iter() {
        match events.join(job) {
            Ok(number) => return Found::Running(Arc::clone(events), number),
            Err(refused) => job = refused,
        }
    }
    match program.reuse(places) {
        Some(isolate) => {
            isolate.events().set_run(Some(Arc::clone(run)));
            Found::Kept(isolate, job)
        }
        None => Found::None(job),
    }
}

/// The isolate for an event.
enum Found {
    Running(Arc<Events>, u32),
    Kept(Isolate, Job),
    None(Job),
}
