//! What Durable Objects keep beyond their lives in an isolate: entries, and an
//! alarm.

use crate::clock;
use crate::platform::Platform;
use crate::script::ObjectKey;
use crate::settings::Target;
use crate::worker::Via;
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use taffrail_trace::Outcome;
use tokio::task::AbortHandle;

/// Cloudflare's limits for an entry of a key-value backed object.
const KEY_BYTES: usize = 2048;
const VALUE_BYTES: usize = 128 << 10;

/// Bytes that one object may keep, in memory as long as it is there.
const OBJECT_BYTES: usize = 16 << 20;

/// How often an alarm whose handler fails is tried again, and how long after
/// its first failure; each time doubles it. Cloudflare's.
const RETRIES: u32 = 6;
const FIRST_RETRY: Duration = Duration::from_secs(2);

/// An object of a Worker.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct StoredObject {
    pub(crate) worker: String,
    pub(crate) key: ObjectKey,
}

/// Which entries are listed, in the order of their keys.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Listing {
    start: Option<String>,
    start_after: Option<String>,
    end: Option<String>,
    prefix: Option<String>,
    reverse: bool,
    limit: Option<usize>,
}

/// The objects of a runtime.
#[derive(Default)]
pub(crate) struct ObjectStore(Mutex<HashMap<StoredObject, Stored>>);

#[derive(Default)]
struct Stored {
    entries: BTreeMap<String, String>,
    alarm: Option<Alarm>,
}

struct Alarm {
    time: u64,
    waits: AbortHandle,
}

impl ObjectStore {
    fn lock(&self) -> MutexGuard<'_, HashMap<StoredObject, Stored>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Those of the entries that are there.
    pub(crate) fn get(&self, object: &StoredObject, keys: &[String]) -> Vec<(String, String)> {
        let objects = self.lock();
        let Some(stored) = objects.get(object) else {
            return Vec::new();
        };
        let found = keys
            .iter()
            .filter_map(|key| Some((key.clone(), stored.entries.get(key)?.clone())));
        found.collect()
    }

    /// Keeps all of the entries or none.
    pub(crate) fn put(
        &self,
        object: &StoredObject,
        entries: BTreeMap<String, String>,
    ) -> Result<(), String> {
        for (key, value) in &entries {
            if key.len() > KEY_BYTES {
                return Err(format!("Keys cannot be larger than {KEY_BYTES} bytes."));
            }
            if value.len() > VALUE_BYTES {
                return Err(format!("Values cannot be larger than {VALUE_BYTES} bytes."));
            }
        }
        let mut objects = self.lock();
        let stored = objects.entry(object.clone()).or_default();
        let size = |entries: &BTreeMap<String, String>| {
            let sizes = entries.iter().map(|(key, value)| key.len() + value.len());
            sizes.sum::<usize>()
        };
        if size(&stored.entries) + size(&entries) > OBJECT_BYTES {
            return Err(format!(
                "A Durable Object keeps no more than {OBJECT_BYTES} bytes."
            ));
        }
        stored.entries.extend(entries);
        Ok(())
    }

    /// Removes entries, and returns how many there were.
    pub(crate) fn delete(&self, object: &StoredObject, keys: &[String]) -> usize {
        let mut objects = self.lock();
        let Some(stored) = objects.get_mut(object) else {
            return 0;
        };
        let removed = keys.iter().filter_map(|key| stored.entries.remove(key));
        removed.count()
    }

    pub(crate) fn list(&self, object: &StoredObject, listing: &Listing) -> Vec<(String, String)> {
        let objects = self.lock();
        let Some(stored) = objects.get(object) else {
            return Vec::new();
        };
        let start = match (&listing.start, &listing.start_after) {
            (Some(start), _) => Bound::Included(start.as_str()),
            (None, Some(after)) => Bound::Excluded(after.as_str()),
            (None, None) => Bound::Unbounded,
        };
        let prefix = listing.prefix.as_deref().unwrap_or_default();
        let is_listed = |key: &str| {
            key.starts_with(prefix) && listing.end.as_deref().is_none_or(|end| key < end)
        };
        let entries = stored.entries.range::<str, _>((start, Bound::Unbounded));
        let entries = entries.filter(|(key, _)| is_listed(key));
        let entry = |(key, value): (&String, &String)| (key.clone(), value.clone());
        let limit = listing.limit.unwrap_or(usize::MAX);
        if listing.reverse {
            entries.rev().take(limit).map(entry).collect()
        } else {
            entries.take(limit).map(entry).collect()
        }
    }

    /// Removes all entries. The alarm stays.
    pub(crate) fn delete_all(&self, object: &StoredObject) {
        if let Some(stored) = self.lock().get_mut(object) {
            stored.entries.clear();
        }
    }

    /// When the alarm is due.
    pub(crate) fn alarm(&self, object: &StoredObject) -> Option<u64> {
        let objects = self.lock();
        Some(objects.get(object)?.alarm.as_ref()?.time)
    }

    /// Sets the alarm in the place of the one that there is.
    pub(crate) fn set_alarm(
        &self,
        platform: &Arc<Platform>,
        object: &StoredObject,
        time: Option<u64>,
    ) {
        let alarm = time.map(|time| {
            let rings = ring(Arc::downgrade(platform), object.clone(), time);
            Alarm {
                time,
                waits: tokio::spawn(rings).abort_handle(),
            }
        });
        let mut objects = self.lock();
        let stored = objects.entry(object.clone()).or_default();
        if let Some(earlier) = std::mem::replace(&mut stored.alarm, alarm) {
            earlier.waits.abort();
        }
    }

    /// Takes the alarm that is due, which cannot be taken back any more.
    fn take_alarm(&self, object: &StoredObject) {
        if let Some(stored) = self.lock().get_mut(object) {
            stored.alarm = None;
        }
    }
}

/// Waits for an alarm, and has the object handle it until that succeeds.
async fn ring(platform: std::sync::Weak<Platform>, object: StoredObject, time: u64) {
    let wait = Duration::from_millis(time.saturating_sub(clock::epoch_ms()));
    tokio::time::sleep(wait).await;
    let Some(platform) = platform.upgrade() else {
        return;
    };
    platform.objects.take_alarm(&object);
    // From here on it is no longer the alarm that a new one replaces.
    tokio::spawn(async move {
        let mut pause = FIRST_RETRY;
        for retry in 0..=RETRIES {
            let Some(worker) = platform.find(&object.worker) else {
                return;
            };
            let via = Via {
                target: Some(Arc::new(Target {
                    entrypoint: Some(object.key.class.clone()),
                    ..Target::from(object.worker.as_str())
                })),
                object: Some(object.key.id.clone()),
                ..Via::default()
            };
            if worker.alarm(time, retry, via).await == Outcome::Ok {
                return;
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        tracing::warn!(
            "the alarm of a Durable Object `{}` failed {RETRIES} times and is given up",
            object.key.class
        );
    });
}
