//! What an invocation needs of its Worker.

use crate::delivery::Consumers;
use crate::invocation::origin::Via;
use crate::invocation::running::Running;
use crate::places::Share;
use crate::settings::WorkerSettings;
use crate::settings::identity::WorkerId;
use crate::store::Storage;
use std::sync::Arc;
use taffrail_trace::{ExecutionModel, Script};
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
    /// What it and its objects keep.
    pub(crate) storage: Storage,
}

impl WorkerContext {
    /// The Worker as an item names it.
    pub(crate) fn script(&self, via: &Via) -> Script {
        Script {
            script_name: self.id.script_name().map(ToOwned::to_owned),
            entrypoint: via.entrypoint().map(ToOwned::to_owned),
            durable_object_id: via.object().map(|object| object.id.clone()),
            dispatch_namespace: self
                .id
                .user_worker()
                .map(|(namespace, _)| namespace.to_owned()),
            execution_model: match via.object() {
                Some(_) => ExecutionModel::DurableObject,
                None => ExecutionModel::Stateless,
            },
            ..Script::default()
        }
    }
}
