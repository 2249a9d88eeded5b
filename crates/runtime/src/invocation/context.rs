//! What an invocation needs of its Worker.

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

/// A deployed Worker without its code: which one it is, what it may use, and
/// where its items go.
pub(crate) struct WorkerContext {
    pub(crate) id: WorkerId,
    pub(crate) settings: WorkerSettings,
    pub(crate) consumers: Consumers,
    pub(crate) tracker: TaskTracker,
    /// Held while a component is compiled that it loads: one at a time.
    pub(crate) compiles: tokio::sync::Mutex<()>,
    pub(crate) running: Running,
    /// What it may run at a time.
    pub(crate) share: Arc<Share>,
    /// What it and its objects keep, which a dynamic Worker takes with it. Code
    /// reaches it by its channels.
    pub(crate) storage: Arc<Storage>,
    /// Notified when this is dropped.
    pub(crate) let_go: Arc<Notify>,
}

impl Drop for WorkerContext {
    fn drop(&mut self) {
        self.let_go.notify_one();
        if !self.id.is_dynamic() {
            return;
        }
        // Without a runtime the process ends, and the store is cleared when it is
        // opened next.
        if let Ok(runtime) = Handle::try_current() {
            let storage = Arc::clone(&self.storage);
            runtime.spawn(async move {
                if let Err(error) = storage.remove_objects().await {
                    tracing::warn!("what a dynamic Worker kept cannot be removed: {error}");
                }
            });
        }
    }
}

impl WorkerContext {
    /// The Worker as an item names it.
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
