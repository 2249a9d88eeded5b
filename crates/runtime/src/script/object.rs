//! Durable Objects: isolates that go on between their events.

use crate::invocation::Invocation;
use crate::invocation::caught::{Panicked, caught};
use crate::invocation::ending::{Call, Shed};
use crate::invocation::limits::MemoryLimiter;
use crate::places::{Leave, OwnerId};
use crate::script::events::{Events, Job, Refused};
use crate::script::exchange::{Answer, Exchange};
use crate::script::run::Run;
use crate::script::{Isolate, Shared, Surroundings};
use hmac::{Hmac, KeyInit, Mac};
use http::StatusCode;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use taffrail_store::ObjectKey;
use tokio::time::timeout;

/// Events that wait for one object.
const QUEUED_EVENTS: usize = 1024;

/// How long an object lives on without an event: what workerd does.
const IDLE: Duration = Duration::from_secs(10);

/// The objects of one script that are alive.
#[derive(Default)]
pub(super) struct Objects(Mutex<HashMap<ObjectKey, Arc<Events>>>);

/// What an object has beside its events.
pub(crate) struct Object {
    key: ObjectKey,
    /// What the caller that had it made knows it by.
    name: Option<String>,
    events: Arc<Events>,
    /// Under which it idles.
    id: OwnerId,
    /// Raised when its place is needed.
    leave: Leave,
    script: Arc<Shared>,
    surroundings: Surroundings,
}

impl Objects {
    fn lock(&self) -> MutexGuard<'_, HashMap<ObjectKey, Arc<Events>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an event to those of an object, which is made if it is not alive.
    /// Fails when too many wait for it.
    pub(super) fn push(
        script: &Arc<Shared>,
        run: &Run,
        surroundings: &Surroundings,
        key: &ObjectKey,
        job: Job,
    ) -> Result<(Arc<Events>, u32), Shed> {
        let mut objects = script.objects.lock();
        let name = job.object_name();
        let job = match objects.get(key) {
            None => job,
            Some(events) => match events.push(job, QUEUED_EVENTS) {
                Ok(number) => return Ok((Arc::clone(events), number)),
                Err(Refused::Full) => return Err(Shed::Object),
                // It is ending.
                Err(Refused::Closed(job)) => job,
            },
        };
        let resident = Invocation::unrecorded(&run.invocation.worker);
        let resident = Run::new(&resident, Exchange::default());
        let events = Arc::new(Events::of_object(resident));
        events.open();
        let number = events.push(job, QUEUED_EVENTS).map_err(|_| Shed::Object)?;
        objects.insert(key.clone(), Arc::clone(&events));
        let object = Object {
            key: key.clone(),
            name,
            events: Arc::clone(&events),
            id: OwnerId::new(),
            leave: Leave::default(),
            script: Arc::clone(script),
            surroundings: surroundings.clone(),
        };
        tokio::spawn(live(Arc::new(object)));
        Ok((events, number))
    }

    /// Takes an object out.
    fn remove(&self, object: &Object) {
        let mut objects = self.lock();
        let events = objects.get(&object.key);
        if events.is_some_and(|events| Arc::ptr_eq(events, &object.events)) {
            objects.remove(&object.key);
        }
    }

    /// Takes an object out, unless an event waits for it.
    fn leave(&self, key: &ObjectKey, events: &Events) -> bool {
        let mut objects = self.lock();
        let leaves = events.close_if_empty();
        if leaves {
            objects.remove(key);
        }
        leaves
    }
}

/// The life of an object, from its first event until it is idle or fails.
async fn live(object: Arc<Object>) {
    let script = &object.script;
    let events = &object.events;
    let Some(first) = events.first() else {
        // Nobody waits for it any more.
        script.objects.remove(&object);
        return events.end(Call::Unfinished, &MemoryLimiter::new(0));
    };
    let _awake = script.engine.linked.keep_awake();
    let isolate = script
        .new_isolate(&first, &object.surroundings, Arc::clone(events))
        .await;
    // Held by whoever runs it, so that its item does not wait for the object.
    drop(first);
    let mut isolate = match isolate {
        Ok(isolate) => isolate,
        Err(_) => {
            script.objects.remove(&object);
            return events.shed();
        }
    };
    isolate.store.data_mut().host.object = Some(Arc::clone(&object));
    let life = caught(object.run(&mut isolate)).await;
    let call = life.unwrap_or_else(|_| Call::HostFailed(Panicked::MESSAGE.to_owned()));
    script.objects.remove(&object);
    object.surroundings.places.object_runs(object.id);
    events.end(call, &isolate.store.data().state.memory);
}

impl Object {
    async fn run(&self, isolate: &mut Isolate) -> Call {
        let Some((number, first)) = self.events.begin() else {
            return Call::Unfinished;
        };
        let class = json!(self.key.class);
        let id = json!(self.key.id);
        let name = json!(self.name);
        let event = format!(
            r#"{{"type":"object","entrypoint":{class},"id":{id},"name":{name},"first":{first}}}"#
        );
        let mut reusable = false;
        let life = isolate.run(&self.script, number, &event, &mut reusable);
        self.events.measure(pin!(life)).await
    }

    /// Answers the script once there is something to tell, or when the object
    /// has idled for long or its place is needed.
    pub(crate) fn answer(self: Arc<Self>) -> Answer {
        self.events.ask();
        Box::pin(async move {
            loop {
                let news = timeout(IDLE, self.events.until_arrived());
                let has_news = tokio::select! {
                    biased;
                    news = news => news.is_ok(),
                    () = self.leave.notified() => false,
                };
                if has_news {
                    return self.events.told(StatusCode::OK);
                }
                if self.leaves() {
                    return self.events.told(StatusCode::NO_CONTENT);
                }
            }
        })
    }

    /// Takes it out of the objects that are alive, unless it has an event.
    fn leaves(&self) -> bool {
        self.script.objects.leave(&self.key, &self.events)
    }

    /// An event begins.
    pub(super) fn runs(&self) {
        self.surroundings.places.object_runs(self.id);
    }

    /// An event has ended.
    pub(super) fn ran(&self, memory: &MemoryLimiter) {
        if self.events.runs_nothing() {
            let places = &self.surroundings.places;
            places.object_idles(self.id, Arc::clone(&self.leave), memory.peak());
        }
    }

    pub(super) fn key(&self) -> &ObjectKey {
        &self.key
    }
}

/// The id of the object of a class that has a name, or of a new one: workerd's,
/// for the unique key `class`.
pub(super) fn id(class: &str, name: Option<&str>) -> String {
    let key = Sha256::digest(class);
    let mac = |bytes: &[u8]| {
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("any length is a key's");
        mac.update(bytes);
        mac.finalize().into_bytes()
    };
    let begin: [u8; 16] = match name {
        Some(name) => first_half(&mac(name.as_bytes())),
        None => rand::random(),
    };
    let end = first_half(&mac(&begin));
    let bytes = begin.iter().chain(&end);
    bytes.map(|byte| format!("{byte:02x}")).collect()
}

/// Whether a text may be the id of an object.
pub(super) fn is_id(text: &str) -> bool {
    let is_digit = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    text.len() == 64 && text.bytes().all(is_digit)
}

fn first_half(mac: &[u8]) -> [u8; 16] {
    let mut half = [0; 16];
    half.copy_from_slice(&mac[..16]);
    half
}

#[cfg(test)]
mod tests {
    use super::id;

    #[test]
    fn an_id_is_the_one_that_workerd_makes_of_the_name() {
        // From a recording of workerd.
        let id = id("abcdef", Some("bob"));
        assert_eq!(
            id,
            "85e56cc6a13b1b5844258a8481c4d3a929088487c2530ca72811364e5d362e84"
        );
    }
}
