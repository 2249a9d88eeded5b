//! The alarms of Durable Objects.

use crate::clock;
use crate::event::{Alarm, Event};
use crate::invocation::origin::Origin;
use crate::platform::namespaces::UserWorkers;
use crate::platform::registry::Registry;
use crate::settings::identity::WorkerId;
use crate::settings::{ObjectId, Target};
use crate::worker::Worker;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use taffrail_store::{ObjectKey, Storage};
use taffrail_trace::Outcome;
use tokio::sync::{Notify, Semaphore};

/// How often an alarm is retried when its handler fails, and the pause before the first retry.
/// Each pause is twice as long as the one before. As on Cloudflare.
const RETRIES: usize = 6;
const FIRST_RETRY: Duration = Duration::from_secs(2);

/// Alarms of one Worker that are handled at a time. Further due alarms wait in the store.
const HANDLED: usize = 32;

/// Returns the pauses before each retry.
fn pauses() -> impl Iterator<Item = Duration> {
    let doubled = |pause: &Duration| Some(*pause * 2);
    std::iter::successors(Some(FIRST_RETRY), doubled).take(RETRIES)
}

/// The tasks for alarms. Only the store knows when alarms are due. There is one task for each
/// Worker, however many alarms it has.
pub(crate) struct Alarms {
    /// Notifies the task of a Worker that an alarm has changed.
    tasks: Mutex<HashMap<WorkerId, Arc<Notify>>>,
    registry: Arc<Registry>,
    users: Arc<UserWorkers>,
}

impl Alarms {
    pub(crate) fn new(registry: &Arc<Registry>, users: &Arc<UserWorkers>) -> Self {
        Self {
            tasks: Mutex::default(),
            registry: Arc::clone(registry),
            users: Arc::clone(users),
        }
    }

    /// Schedules the alarms of a Worker's objects, including those that an earlier process has
    /// set. Called when the Worker is deployed and when one of its alarms has changed.
    pub(crate) fn ring(self: &Arc<Self>, worker: &WorkerId) {
        let mut tasks = self.tasks();
        if let Some(changed) = tasks.get(worker) {
            return changed.notify_one();
        }
        let changed = Arc::<Notify>::default();
        tasks.insert(worker.clone(), Arc::clone(&changed));
        let alarms = AlarmsOfWorker {
            all: Arc::downgrade(self),
            worker: worker.clone(),
            storage: self.registry.store.storage(worker.data_owner()),
        };
        tokio::spawn(Arc::new(alarms).run(changed));
    }

    /// Finds a Worker, if it still exists. A user Worker that has been dropped is found again.
    async fn find(&self, worker: &WorkerId) -> Option<Arc<Worker>> {
        match worker.user_worker() {
            Some((namespace, name)) => {
                let found = self.users.find(namespace, name).await.ok()?;
                Some(found.worker)
            }
            None => self.registry.find(worker),
        }
    }

    fn tasks(&self) -> MutexGuard<'_, HashMap<WorkerId, Arc<Notify>>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The alarms of one Worker's objects.
struct AlarmsOfWorker {
    all: Weak<Alarms>,
    worker: WorkerId,
    storage: Storage,
}

impl AlarmsOfWorker {
    /// Returns the alarm that is due next.
    async fn next(&self) -> Option<(ObjectKey, u64)> {
        match self.storage.next_alarm().await {
            Ok(next) => next,
            Err(error) => {
                tracing::warn!("the alarms of `{}` cannot be read: {error}", self.worker);
                None
            }
        }
    }

    /// Removes an alarm from the store. Returns false if it has changed since.
    async fn take(&self, object: &ObjectKey, time: u64) -> bool {
        match self.storage.take_alarm(object.clone(), time).await {
            Ok(taken) => taken,
            Err(error) => {
                tracing::warn!("an alarm of `{}` cannot be taken: {error}", self.worker);
                false
            }
        }
    }

    /// Restores an alarm for the next Worker that is deployed under this identity. A dynamic
    /// Worker is never deployed again.
    async fn put_back(&self, object: ObjectKey, time: u64) {
        if self.worker.is_dynamic() {
            return;
        }
        if let Err(error) = self.storage.set_alarm(object, Some(time)).await {
            tracing::warn!("an alarm of `{}` cannot be kept: {error}", self.worker);
        }
    }

    /// Returns the notification that the Worker is dropped. `None` if it has been.
    fn until_dropped(&self) -> Option<Arc<Notify>> {
        let alarms = self.all.upgrade()?;
        match alarms.registry.find(&self.worker) {
            Some(worker) => Some(Arc::clone(&worker.context.dropped)),
            // The user Worker is found again when its alarm is due.
            None if self.worker.user_worker().is_some() => Some(Arc::default()),
            None => None,
        }
    }

    /// Finds the Worker that handles an alarm.
    async fn find(&self) -> Option<Arc<Worker>> {
        self.all.upgrade()?.find(&self.worker).await
    }

    /// Runs the alarms for as long as there are any.
    async fn run(self: Arc<Self>, changed: Arc<Notify>) {
        self.ring(&changed).await;
        let Some(alarms) = self.all.upgrade() else {
            return;
        };
        alarms.tasks().remove(&self.worker);
        // Only this task was notified of alarms that were set in the meantime.
        if self.next().await.is_some() && alarms.find(&self.worker).await.is_some() {
            alarms.ring(&self.worker);
        }
    }

    async fn ring(self: &Arc<Self>, changed: &Notify) {
        let places = Arc::new(Semaphore::new(HANDLED));
        while let Some((object, time)) = self.next().await {
            let Some(dropped) = self.until_dropped() else {
                return;
            };
            let wait = Duration::from_millis(time.saturating_sub(clock::epoch_ms()));
            tokio::select! {
                () = changed.notified() => continue,
                () = dropped.notified() => continue,
                () = tokio::time::sleep(wait) => {}
            }
            let Ok(place) = Arc::clone(&places).acquire_owned().await else {
                return;
            };
            // Without a Worker, the alarm stays in the store for the next one that is deployed
            // under this identity.
            if self.find().await.is_none() {
                return;
            }
            // Removed first, since the handler may set the next alarm.
            if self.take(&object, time).await {
                let alarms = Arc::clone(self);
                tokio::spawn(async move {
                    alarms.handle(object, time).await;
                    drop(place);
                });
            }
        }
    }

    /// Calls the handler of an alarm until it succeeds.
    async fn handle(&self, object: ObjectKey, time: u64) {
        let mut pauses = pauses();
        for retry in 0.. {
            let Some(worker) = self.find().await else {
                return self.put_back(object, time).await;
            };
            let origin = Origin {
                target: Some(Arc::new(Target {
                    entrypoint: Some(object.class.clone()),
                    object: Some(ObjectId {
                        id: object.id.clone(),
                        name: None,
                    }),
                    ..Target::from(self.worker.clone())
                })),
                ..Origin::default()
            };
            let alarm = Alarm {
                scheduled_time: time,
                retry_count: retry,
            };
            let (outcome, _) = worker.dispatch(Event::Alarm(alarm), origin).await;
            if outcome == Outcome::Ok {
                return;
            }
            match pauses.next() {
                Some(pause) => tokio::time::sleep(pause).await,
                None => break,
            }
        }
        tracing::warn!(
            "the alarm of a Durable Object `{}` failed {RETRIES} times and is given up",
            object.class
        );
    }
}

#[cfg(test)]
mod tests;
