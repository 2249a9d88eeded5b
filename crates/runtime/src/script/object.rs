//! Durable Objects: their ids, and which of them are alive.

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

/// How long an object without events is kept alive, as in workerd.
const IDLE: Duration = Duration::from_secs(10);

/// The live objects of one script.
#[derive(Default)]
pub(super) struct Objects(Mutex<HashMap<ObjectKey, Arc<Events>>>);

/// A live Durable Object.
pub(crate) struct Object {
    key: ObjectKey,
    /// The name by which its first caller referred to it, if it did.
    name: Option<String>,
    events: Arc<Events>,
    /// The id under which it idles.
    id: OwnerId,
    /// Notified when its place is needed.
    leave: Leave,
    /// The live objects of its script.
    alive: Arc<Objects>,
    /// The idle objects of the process.
    idle: Arc<IdleObjects>,
}

impl Objects {
    pub(super) fn lock(&self) -> MutexGuard<'_, HashMap<ObjectKey, Arc<Events>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes an object.
    fn remove(&self, object: &Object) {
        let mut objects = self.lock();
        let events = objects.get(&object.key);
        if events.is_some_and(|events| Arc::ptr_eq(events, &object.events)) {
            objects.remove(&object.key);
        }
    }

    /// Removes an object, unless an event is waiting for it. Returns whether it was removed.
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

    /// Removes the object from the live ones.
    pub(super) fn remove(&self) {
        self.alive.remove(self);
    }

    /// Answers the script once there is a message for it, or when the object has been idle for
    /// too long or its place is needed.
    pub(crate) fn answer(self: Arc<Self>) -> Answer {
        self.events.ask();
        Box::pin(async move {
            loop {
                let news = timeout(IDLE, self.events.until_arrived());
                let has_messages = tokio::select! {
                    biased;
                    news = news => news.is_ok(),
                    () = self.leave.notified() => false,
                };
                if has_messages {
                    return self.events.answer_with(StatusCode::OK);
                }
                if self.leaves() {
                    return self.events.answer_with(StatusCode::NO_CONTENT);
                }
            }
        })
    }

    /// Removes the object from the live ones, unless an event is waiting for it.
    fn leaves(&self) -> bool {
        self.alive.leave(&self.key, &self.events)
    }

    /// Records that an event begins.
    pub(super) fn runs(&self) {
        self.idle.runs(self.id);
    }

    /// Records that an event has ended.
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

/// Returns the id of the object with this name, or of a new one if there is none. It is the id
/// that workerd derives from the unique key `class`.
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

/// Whether a text has the form of an object's id.
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
