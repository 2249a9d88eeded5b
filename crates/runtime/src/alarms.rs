//! The alarms of Durable Objects.

use crate::clock;
use crate::platform::Platform;
use crate::settings::Target;
use crate::store::StoredObject;
use crate::worker::Via;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;
use taffrail_trace::Outcome;
use tokio::task::AbortHandle;

/// How often an alarm whose handler fails is tried again, and how long after
/// its first failure; each time doubles it. Cloudflare's.
const RETRIES: u32 = 6;
const FIRST_RETRY: Duration = Duration::from_secs(2);

/// What waits for an alarm to be due. When that is, the store knows.
#[derive(Default)]
pub(crate) struct Alarms(Mutex<HashMap<StoredObject, AbortHandle>>);

impl Platform {
    /// Sets the alarm of an object in the place of the one that there is.
    pub(crate) fn set_alarm(
        self: &Arc<Self>,
        object: &StoredObject,
        time: Option<u64>,
    ) -> Result<(), String> {
        self.store.set_alarm(object, time)?;
        self.wait_for_alarm(object, time);
        Ok(())
    }

    /// Waits for the alarms that a Worker's objects have set, also in an
    /// earlier process.
    pub(crate) fn wait_for_alarms(self: &Arc<Self>, worker: &str) {
        match self.store.alarms(worker) {
            Ok(alarms) => {
                for (object, time) in alarms {
                    self.wait_for_alarm(&object, Some(time));
                }
            }
            Err(error) => tracing::warn!("the alarms of `{worker}` cannot be read: {error}"),
        }
    }

    fn wait_for_alarm(self: &Arc<Self>, object: &StoredObject, time: Option<u64>) {
        let waits = time.map(|time| {
            let rings = ring(Arc::downgrade(self), object.clone(), time);
            tokio::spawn(rings).abort_handle()
        });
        let mut waiting = self.alarms.0.lock().unwrap_or_else(PoisonError::into_inner);
        let earlier = match waits {
            Some(waits) => waiting.insert(object.clone(), waits),
            None => waiting.remove(object),
        };
        if let Some(earlier) = earlier {
            earlier.abort();
        }
    }
}

/// Waits for an alarm, and has the object handle it until that succeeds.
async fn ring(platform: Weak<Platform>, object: StoredObject, time: u64) {
    let wait = Duration::from_millis(time.saturating_sub(clock::epoch_ms()));
    tokio::time::sleep(wait).await;
    // From here on it is no longer the alarm that a new one replaces.
    tokio::spawn(handle(platform, object, time));
}

async fn handle(platform: Weak<Platform>, object: StoredObject, time: u64) {
    let mut pause = FIRST_RETRY;
    for retry in 0..=RETRIES {
        let Some(platform) = platform.upgrade() else {
            return;
        };
        let Some(worker) = platform.find(&object.worker) else {
            return;
        };
        // The handler may set the next one.
        if retry == 0
            && let Err(error) = platform.store.set_alarm(&object, None)
        {
            tracing::warn!("an alarm cannot be taken out: {error}");
        }
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
}
