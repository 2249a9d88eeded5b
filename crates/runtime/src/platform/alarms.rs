//! The alarms of Durable Objects.

use crate::clock;
use crate::invocation::origin::Via;
use crate::platform::namespaces::UserWorkers;
use crate::platform::registry::Registry;
use crate::settings::identity::WorkerId;
use crate::settings::{ObjectId, Target};
use crate::store::{Storage, StoredObject};
use crate::worker::Worker;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use taffrail_trace::Outcome;
use tokio::sync::{Notify, Semaphore};

/// How often an alarm whose handler fails is tried again, and how long after
/// its first failure; each time doubles it. Cloudflare's.
const RETRIES: u32 = 6;
const FIRST_RETRY: Duration = Duration::from_secs(2);

/// Alarms of one Worker that are handled at a time. Further ones that are due
/// wait in the store.
const HANDLED: usize = 32;

/// The Workers whose objects have set alarms. When an alarm is due, the store
/// knows; here is one task for each Worker, however many alarms there are.
pub(crate) struct Alarms {
    /// What tells the task of a Worker that an alarm has changed.
    changed: Mutex<HashMap<WorkerId, Arc<Notify>>>,
    registry: Arc<Registry>,
    users: Arc<UserWorkers>,
    storage: Arc<Storage>,
}

impl Alarms {
    pub(crate) fn new(
        registry: &Arc<Registry>,
        users: &Arc<UserWorkers>,
        storage: Storage,
    ) -> Self {
        Self {
            changed: Mutex::default(),
            registry: Arc::clone(registry),
            users: Arc::clone(users),
            storage: Arc::new(storage),
        }
    }

    /// The alarm of a Worker's objects that is due next.
    async fn next(&self, worker: &WorkerId) -> Option<(StoredObject, u64)> {
        match self.storage.next_alarm(worker.clone()).await {
            Ok(next) => next,
            Err(error) => {
                tracing::warn!("the alarms of `{worker}` cannot be read: {error}");
                None
            }
        }
    }

    /// Takes an alarm out of the store, unless it has been changed since.
    async fn take(&self, object: &StoredObject, time: u64) -> bool {
        match self.storage.take_alarm(object.clone(), time).await {
            Ok(taken) => taken,
            Err(error) => {
                tracing::warn!("an alarm of `{}` cannot be taken: {error}", object.worker);
                false
            }
        }
    }

    /// Keeps an alarm for the Worker that is deployed next.
    async fn put_back(&self, object: StoredObject, time: u64) {
        let worker = object.worker.clone();
        if let Err(error) = self.storage.set_alarm(object, Some(time)).await {
            tracing::warn!("an alarm of `{worker}` cannot be kept: {error}");
        }
    }

    /// Has the alarms of a Worker's objects ring, those of an earlier process
    /// included. To be called when the Worker is deployed, and when an alarm of
    /// it has changed.
    pub(crate) fn ring(self: &Arc<Self>, worker: &WorkerId) {
        let mut tasks = self.changed();
        if let Some(changed) = tasks.get(worker) {
            return changed.notify_one();
        }
        let changed = Arc::<Notify>::default();
        tasks.insert(worker.clone(), Arc::clone(&changed));
        tokio::spawn(run(Arc::downgrade(self), worker.clone(), changed));
    }

    /// The Worker whose objects have set an alarm, if it is still there. A user
    /// Worker is looked for, since it may have been let go.
    async fn owner(&self, worker: &WorkerId) -> Option<Arc<Worker>> {
        match worker.user_worker() {
            Some((namespace, name)) => {
                let found = self.users.find(namespace, name).await.ok()?;
                Some(found.worker)
            }
            None => self.registry.find(worker),
        }
    }

    fn changed(&self) -> MutexGuard<'_, HashMap<WorkerId, Arc<Notify>>> {
        self.changed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Rings the alarms of a Worker's objects as long as there are any.
async fn run(alarms: Weak<Alarms>, worker: WorkerId, changed: Arc<Notify>) {
    ring(&alarms, &worker, &changed).await;
    let Some(alarms) = alarms.upgrade() else {
        return;
    };
    alarms.changed().remove(&worker);
    // What has come meanwhile was told to this task.
    if alarms.next(&worker).await.is_some() && alarms.owner(&worker).await.is_some() {
        alarms.ring(&worker);
    }
}

async fn ring(alarms: &Weak<Alarms>, worker: &WorkerId, changed: &Notify) {
    let places = Arc::new(Semaphore::new(HANDLED));
    loop {
        let Some(strong) = alarms.upgrade() else {
            return;
        };
        let Some((object, time)) = strong.next(worker).await else {
            return;
        };
        drop(strong);
        let wait = Duration::from_millis(time.saturating_sub(clock::epoch_ms()));
        tokio::select! {
            () = changed.notified() => continue,
            () = tokio::time::sleep(wait) => {}
        }
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        let Some(strong) = alarms.upgrade() else {
            return;
        };
        // Without its Worker the alarm stays in the store, for the one that is
        // deployed next under this identity.
        if strong.owner(worker).await.is_none() {
            return;
        }
        // The handler may set the next one.
        if strong.take(&object, time).await {
            let alarms = Weak::clone(alarms);
            tokio::spawn(async move {
                handle(alarms, object, time).await;
                drop(place);
            });
        }
    }
}

/// Has an object handle its alarm until that succeeds.
async fn handle(alarms: Weak<Alarms>, object: StoredObject, time: u64) {
    let mut pause = FIRST_RETRY;
    for retry in 0..=RETRIES {
        let Some(alarms) = alarms.upgrade() else {
            return;
        };
        let Some(worker) = alarms.owner(&object.worker).await else {
            return alarms.put_back(object, time).await;
        };
        let via = Via {
            target: Some(Arc::new(Target {
                entrypoint: Some(object.key.class.clone()),
                object: Some(ObjectId {
                    id: object.key.id.clone(),
                    name: None,
                }),
                ..Target::from(object.worker.clone())
            })),
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
