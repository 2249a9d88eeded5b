//! Durable Objects as their scripts know them, and which ones are alive.

use crate::invocation::limits::MemoryLimiter;
use crate::places::{IdleObjects, Leave, OwnerId};
use crate::script::events::Events;
use crate::script::exchange::Answer;
use hmac::{Hmac, KeyInit, Mac};
use http::StatusCode;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use taffrail_store::ObjectKey;
use tokio::time::timeout;

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
    /// The objects of its script.
    alive: Arc<Objects>,
    /// The objects of the process that idle.
    idle: Arc<IdleObjects>,
}

impl Objects {
    pub(super) fn lock(&self) -> MutexGuard<'_, HashMap<ObjectKey, Arc<Events>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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

impl Object {
    pub(super) fn new(
        key: &ObjectKey,
        name: Option<String>,
        events: &Arc<Events>,
        alive: &Arc<Objects>,
        idle: &Arc<IdleObjects>,
    ) -> Self {
        Self {
            key: key.clone(),
            name,
            events: Arc::clone(events),
            id: OwnerId::new(),
            leave: Leave::default(),
            alive: Arc::clone(alive),
            idle: Arc::clone(idle),
        }
    }

    pub(super) fn events(&self) -> &Arc<Events> {
        &self.events
    }

    pub(super) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Takes it out of the objects that are alive.
    pub(super) fn remove(&self) {
        self.alive.remove(self);
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
        self.alive.leave(&self.key, &self.events)
    }

    /// An event begins.
    pub(super) fn runs(&self) {
        self.idle.runs(self.id);
    }

    /// An event has ended.
    pub(super) fn ran(&self, memory: &MemoryLimiter) {
        if self.events.runs_nothing() {
            let leave = Arc::clone(&self.leave);
            self.idle.idles(self.id, leave, memory.peak());
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
