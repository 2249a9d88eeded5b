//! Runs isolates that handle events.

use crate::component::run::poll_once;
use crate::invocation::caught::{Panicked, caught};
use crate::invocation::ending::Call;
use crate::places::Places;
use crate::script::events::Events;
use crate::script::isolate::Isolate;
use crate::script::program::{Program, Surroundings};
use std::pin::{Pin, pin};
use std::sync::Arc;

/// Runs an isolate: on this thread until it first has to wait.
pub(super) async fn begin(program: Arc<Program>, surroundings: Surroundings, isolate: Isolate) {
    let events = Arc::clone(isolate.events());
    let Surroundings { lanes, places, .. } = surroundings;
    let mut life: Pin<Box<dyn Future<Output = ()> + Send>> =
        Box::pin(live(program, places, isolate));
    if poll_once(life.as_mut()).await.is_pending() {
        tokio::spawn(async move {
            lanes.alternate(life, move || events.is_heavy()).await;
        });
    }
}

/// Runs an isolate from one event until no event is left.
async fn live(program: Arc<Program>, places: Arc<Places>, mut isolate: Isolate) {
    let _awake = program.engine.linked.keep_awake();
    let events = Arc::clone(isolate.events());
    loop {
        let mut reusable = true;
        let call = match events.begin() {
            Some((number, event)) => {
                let run = isolate.run(
                    &program.engine,
                    &program.source,
                    number,
                    &event,
                    &mut reusable,
                );
                let call = caught(events.measure(pin!(run))).await;
                call.unwrap_or_else(|_| Call::HostFailed(Panicked::MESSAGE.to_owned()))
            }
            // The client has already disconnected.
            None => Call::Returned,
        };
        let mut running = program.running();
        let leave = |running: &mut Vec<Arc<Events>>| {
            running.retain(|other| !Arc::ptr_eq(other, &events));
        };
        let memory = isolate.memory();
        if !matches!(call, Call::Returned) {
            leave(&mut running);
            drop(running);
            events.end(call, memory);
            return;
        }
        reusable &= isolate.has_started();
        let rest = events.rest(reusable, memory);
        if let Some(next) = &rest.next {
            events.set_run(Some(Arc::clone(next)));
            drop(running);
            rest.notify();
            continue;
        }
        leave(&mut running);
        if rest.is_kept {
            program.keep(isolate, &places);
        }
        drop(running);
        rest.notify();
        return;
    }
}
