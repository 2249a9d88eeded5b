//! The alarms of Durable Objects.

use crate::clock;
use crate::dispatch;
use crate::identity::WorkerId;
use crate::platform::Platform;
use crate::settings::Target;
use crate::store::{Storage, StoredObject};
use crate::worker::{Via, Worker};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use taffrail_trace::Outcome;
use tokio::task::AbortHandle;

/// How often an alarm whose handler fails is tried again, and how long after
/// its first failure; each time doubles it. Cloudflare's.
const RETRIES: u32 = 6;
const FIRST_RETRY: Duration = Duration::from_secs(2);

/// What waits for an alarm to be due. When that is, the store knows.
pub(crate) struct Alarms {
    waiting: Mutex<HashMap<StoredObject, AbortHandle>>,
    storage: Arc<Storage>,
}

impl Alarms {
    pub(crate) fn new(storage: Storage) -> Self {
        Self {
            waiting: Mutex::default(),
            storage: Arc::new(storage),
        }
    }

    /// Lets go of the task that calls this, unless it has been replaced.
    fn is_due(&self, object: &StoredObject) {
        let mut waiting = self.lock();
        let own = waiting.get(object).map(AbortHandle::id);
        if own.is_some() && own == tokio::task::try_id() {
            waiting.remove(object);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<StoredObject, AbortHandle>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Platform {
    /// Waits for the alarms that a Worker's objects have set, also in an
    /// earlier process.
    pub(crate) fn wait_for_alarms(self: &Arc<Self>, worker: &WorkerId) {
        let (platform, worker) = (Arc::downgrade(self), worker.clone());
        let storage = Arc::clone(&self.alarms.storage);
        // Not here: the database may be slow to open.
        tokio::spawn(async move {
            match (storage.alarms(worker.clone()).await, platform.upgrade()) {
                (Ok(alarms), Some(platform)) => {
                    for (object, time) in alarms {
                        platform.wait_for_alarm(&object, Some(time));
                    }
                }
                (Err(error), _) => {
                    tracing::warn!("the alarms of `{worker}` cannot be read: {error}");
                }
                (Ok(_), None) => {}
            }
        });
    }

    /// Waits for the alarm of an object in the place of the one that there is.
    pub(crate) fn wait_for_alarm(self: &Arc<Self>, object: &StoredObject, time: Option<u64>) {
        let waits = time.map(|time| {
            let rings = ring(Arc::downgrade(self), object.clone(), time);
            tokio::spawn(rings).abort_handle()
        });
        let mut waiting = self.alarms.lock();
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
    let Some(platform) = platform.upgrade() else {
        return;
    };
    platform.alarms.is_due(&object);
    // From here on it is no longer the alarm that a new one replaces.
    tokio::spawn(handle(Arc::downgrade(&platform), object, time));
}

/// The Worker whose objects have set an alarm, if it is still there. A user
/// Worker is looked for, since it may have been let go.
async fn owner(platform: &Arc<Platform>, worker: &WorkerId) -> Option<Arc<Worker>> {
    match worker.user_worker() {
        Some((namespace, name)) => dispatch::find(platform, namespace, name).await.ok(),
        None => platform.find(worker),
    }
}

async fn keep(platform: &Platform, object: &StoredObject, time: Option<u64>) {
    let storage = &platform.alarms.storage;
    if let Err(error) = storage.set_alarm(object.clone(), time).await {
        tracing::warn!("an alarm of `{}` cannot be kept: {error}", object.worker);
    }
}

async fn handle(platform: Weak<Platform>, object: StoredObject, time: u64) {
    let mut pause = FIRST_RETRY;
    for retry in 0..=RETRIES {
        let Some(platform) = platform.upgrade() else {
            return;
        };
        // The handler may set the next one.
        if retry == 0 {
            keep(&platform, &object, None).await;
        }
        let Some(worker) = owner(&platform, &object.worker).await else {
            // For the Worker that is deployed next under this identity.
            keep(&platform, &object, Some(time)).await;
            return;
        };
        let via = Via {
            target: Some(Arc::new(Target {
                entrypoint: Some(object.key.class.clone()),
                ..Target::from(object.worker.clone())
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
