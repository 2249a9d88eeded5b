//! Dynamic Workers, as the Worker asks for them that makes them.

use crate::channels::Channels;
use crate::channels::dynamic::{Plan, Reservation};
use crate::channels::failed::CallFailed;
use crate::invocation::Invocation;
use crate::settings::Binding;
use crate::settings::egress::Egress;
use crate::settings::identity::WorkerId;

/// Makes a dynamic Worker, or fails as `plan` did, for all calls that ask for
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
    // The next call that asks may have the CPU time that this one lacked.
    if let Some(mut slot) = reservation
        && (made.is_ok() || !planned)
    {
        *slot = Some(made.clone());
    }
    made
}

/// Whether a binding is one of a loader.
pub(crate) fn check_binding(caller: &Invocation, binding: &str) -> Result<(), CallFailed> {
    match caller.worker.settings.bindings.get(binding) {
        Some(Binding::Loader) => Ok(()),
        _ => Err(CallFailed::new(format!(
            "there is no worker loader `{binding}`"
        ))),
    }
}

/// Where the requests of a dynamic Worker go: as its maker says, or as its
/// maker's own.
pub(crate) fn egress(caller: &Invocation, given: Option<Option<Egress>>) -> Egress {
    match given {
        None => caller.worker.settings.egress.clone(),
        Some(None) => Egress::Hosts(Vec::new()),
        Some(Some(egress)) => egress,
    }
}
