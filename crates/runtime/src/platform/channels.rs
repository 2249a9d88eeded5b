//! The channels of the Workers of one runtime.

use crate::channels::dynamic::{Lookup, Plan};
use crate::channels::failed::CallFailed;
use crate::channels::{BoxFuture, Channel, Channels};
use crate::invocation::Invocation;
use crate::platform::{Platform, dispatch, loader};
use crate::settings::identity::WorkerId;
use crate::worker::Worker;
use std::sync::{Arc, Weak};

/// What one Worker can reach.
pub(crate) struct WorkerChannels {
    pub(crate) platform: Weak<Platform>,
    /// The Worker itself.
    pub(crate) worker: Weak<Worker>,
    pub(crate) id: WorkerId,
}

impl WorkerChannels {
    fn platform(&self) -> Result<Arc<Platform>, CallFailed> {
        let platform = self.platform.upgrade();
        platform.ok_or_else(|| CallFailed::new("the runtime is ending"))
    }
}

impl Channels for WorkerChannels {
    fn worker(&self, worker: &WorkerId) -> Result<Arc<dyn Channel>, CallFailed> {
        // A Worker that calls itself calls the code that it runs.
        if *worker == self.id
            && let Some(own) = self.worker.upgrade()
        {
            return Ok(own);
        }
        match self.platform()?.find(worker) {
            Some(worker) => Ok(worker),
            None => Err(CallFailed::new(format!(
                "there is no Worker `{worker}` to call"
            ))),
        }
    }

    fn user_worker<'a>(
        &'a self,
        namespace: &'a str,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Arc<dyn Channel>, CallFailed>> {
        Box::pin(async move {
            let worker = dispatch::find(&self.platform()?, namespace, name).await?;
            Ok(worker as Arc<dyn Channel>)
        })
    }

    fn find_dynamic<'a>(
        &'a self,
        loader: &'a str,
        id: &'a str,
    ) -> BoxFuture<'a, Result<Lookup, CallFailed>> {
        Box::pin(async move { loader::find(&self.platform()?, &self.id, loader, id).await })
    }

    fn make_dynamic<'a>(
        &'a self,
        caller: &'a Invocation,
        plan: Plan,
    ) -> BoxFuture<'a, Result<WorkerId, CallFailed>> {
        Box::pin(async move { loader::deploy(&self.platform()?, caller, plan).await })
    }

    fn ring_alarms(&self) -> Result<(), CallFailed> {
        self.platform()?.ring_alarms(&self.id);
        Ok(())
    }
}
