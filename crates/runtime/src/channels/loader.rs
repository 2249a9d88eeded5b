//! Requests of a Worker for the dynamic Workers that it makes.

use crate::channels::Channels;
use crate::channels::dynamic::{Plan, Reservation};
use crate::channels::failed::CallFailed;
use crate::invocation::Invocation;
use crate::settings::Binding;
use crate::settings::egress::Egress;
use crate::settings::identity::WorkerId;

/// Makes a dynamic Worker, or fails as `plan` did. The result is shared by all calls that request
/// its id.
pub(crate) async fn make(
    channels: &dyn Channels,
    caller: &Invocation,
    reservation: Option<Reservation>,
    plan: Result<Plan, CallFailed>,
) -> Result<WorkerId, CallFailed> {
    let planned = plan.is_ok();
    let made = match plan {
        Ok(plan) => channels.make_dynamic(caller, plan).await,
        Err(failed) => Err(failed),
    };
    // The next call that requests it may have the CPU time that this one lacked.
    if let Some(mut slot) = reservation
        && (made.is_ok() || !planned)
    {
        *slot = Some(made.clone());
    }
    made
}

/// Checks that a binding is a loader.
pub(crate) fn check_binding(caller: &Invocation, binding: &str) -> Result<(), CallFailed> {
    match caller.worker.settings.bindings.get(binding) {
        Some(Binding::Loader) => Ok(()),
        _ => Err(CallFailed::new(format!(
            "there is no worker loader `{binding}`"
        ))),
    }
}

/// Returns where the requests of a dynamic Worker go: where its maker says, or to where the
/// maker's own go.
pub(crate) fn egress(caller: &Invocation, given: Option<Option<Egress>>) -> Egress {
    match given {
        None => caller.worker.settings.egress.clone(),
        Some(None) => Egress::Hosts(Vec::new()),
        Some(Some(egress)) => egress,
    }
}
