//! The parts of a Worker that an invocation needs.

use crate::delivery::Consumers;
use crate::invocation::origin::Origin;
use crate::invocation::running::Running;
use crate::places::Share;
use crate::settings::WorkerSettings;
use crate::settings::identity::WorkerId;
use std::sync::Arc;
use taffrail_store::Storage;
use taffrail_trace::{ExecutionModel, Script};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio_util::task::TaskTracker;

/// A deployed Worker without its code: its identity, its settings and limits, and the consumers
/// of its items.
pub(crate) struct WorkerContext {
    pub(crate) id: WorkerId,
    pub(crate) settings: WorkerSettings,
    pub(crate) consumers: Consumers,
    pub(crate) tracker: TaskTracker,
    /// Held while a component is compiled on behalf of this Worker: one at a time.
    pub(crate) compiles: tokio::sync::Mutex<()>,
    pub(crate) running: Running,
    /// The limit of concurrent invocations.
    pub(crate) share: Arc<Share>,
    /// The data of the Worker and its objects. The data of a dynamic Worker is removed with it.
    /// Code reaches it through its channels.
    pub(crate) storage: Arc<Storage>,
    /// Notified when this is dropped.
    pub(crate) dropped: Arc<Notify>,
}

impl Drop for WorkerContext {
    fn drop(&mut self) {
        self.dropped.notify_one();
        if !self.id.is_dynamic() {
            return;
        }
        // Without a tokio runtime the process is ending, and the data is removed when the store
        // is next opened.
        if let Ok(runtime) = Handle::try_current() {
            let storage = Arc::clone(&self.storage);
            runtime.spawn(async move {
                if let Err(error) = storage.remove_objects().await {
                    tracing::warn!("the data of a dynamic Worker cannot be removed: {error}");
                }
            });
        }
    }
}

impl WorkerContext {
    /// Returns the Worker as its items describe it.
    pub(crate) fn script(&self, origin: &Origin) -> Script {
        Script {
            script_name: self.id.script_name().map(ToOwned::to_owned),
            entrypoint: origin.entrypoint().map(ToOwned::to_owned),
            durable_object_id: origin.object().map(|object| object.id.clone()),
            dispatch_namespace: self
                .id
                .user_worker()
                .map(|(namespace, _)| namespace.to_owned()),
            execution_model: match origin.object() {
                Some(_) => ExecutionModel::DurableObject,
                None => ExecutionModel::Stateless,
            },
            ..Script::default()
        }
    }
}
