//! Runs Durable Objects, which are isolates that outlive their events.

use crate::invocation::Invocation;
use crate::invocation::caught::{Panicked, caught};
use crate::invocation::ending::{Call, Shed};
use crate::invocation::limits::MemoryLimiter;
use crate::script::events::{Events, Refused};
use crate::script::exchange::Exchange;
use crate::script::isolate::Isolate;
use crate::script::object::Object;
use crate::script::program::{Program, Surroundings};
use crate::script::queue::Job;
use crate::script::run::Run;
use serde_json::json;
use std::pin::pin;
use std::sync::Arc;
use taffrail_store::ObjectKey;

/// The most events that wait for one object.
const QUEUED_EVENTS: usize = 1024;

/// Adds an event to an object, which is created if it is not alive. Fails if too many events are
/// waiting.
pub(super) fn push(
    program: &Arc<Program>,
    run: &Run,
    surroundings: &Surroundings,
    key: &ObjectKey,
    job: Job,
) -> Result<(Arc<Events>, u32), Shed> {
    let mut objects = program.objects.lock();
    let name = job.object_name();
    let job = match objects.get(key) {
        None => job,
        Some(events) => match events.push(job, QUEUED_EVENTS) {
            Ok(number) => return Ok((Arc::clone(events), number)),
            Err(Refused::Full) => return Err(Shed::Object),
            // The object is ending.
            Err(Refused::Closed(job)) => job,
        },
    };
    let resident = Invocation::unrecorded(&run.invocation.worker);
    let resident = Run::new(&resident, Exchange::default());
    let events = Arc::new(Events::of_object(resident));
    events.open();
    let number = events.push(job, QUEUED_EVENTS).map_err(|_| Shed::Object)?;
    objects.insert(key.clone(), Arc::clone(&events));
    let idle = surroundings.places.objects();
    let object = Object::new(key, name, &events, &program.objects, idle);
    let (program, surroundings) = (Arc::clone(program), surroundings.clone());
    tokio::spawn(live(program, surroundings, Arc::new(object)));
    Ok((events, number))
}

/// Runs an object from its first event until it is idle or fails.
async fn live(program: Arc<Program>, surroundings: Surroundings, object: Arc<Object>) {
    let events = object.events();
    let Some(first) = events.first() else {
        // The client has already disconnected.
        object.remove();
        return events.end(Call::Unfinished, &MemoryLimiter::new(0));
    };
    let _awake = program.engine.linked.keep_awake();
    let isolate = program
        .new_isolate(&first, &surroundings, Arc::clone(events))
        .await;
    // The task that runs the event holds it, so that its item does not wait for the object.
    drop(first);
    let mut isolate = match isolate {
        Ok(isolate) => isolate,
        Err(_) => {
            object.remove();
            return events.shed();
        }
    };
    isolate.set_object(&object);
    let life = caught(run(&program, &object, &mut isolate)).await;
    let call = life.unwrap_or_else(|_| Call::HostFailed(Panicked::MESSAGE.to_owned()));
    object.remove();
    object.runs();
    events.end(call, isolate.memory());
}

/// Runs the single call in which an object handles all its events.
async fn run(program: &Program, object: &Object, isolate: &mut Isolate) -> Call {
    let Some((number, first)) = object.events().begin() else {
        return Call::Unfinished;
    };
    let class = json!(object.key().class);
    let id = json!(object.key().id);
    let name = json!(object.name());
    let event = format!(
        r#"{{"type":"object","entrypoint":{class},"id":{id},"name":{name},"first":{first}}}"#
    );
    let mut reusable = false;
    let life = isolate.run(
        &program.engine,
        &program.source,
        number,
        &event,
        &mut reusable,
    );
    object.events().measure(pin!(life)).await
}
