//! Requests of a dispatcher for a user Worker of its namespace.

use crate::channels::Channels;
use crate::channels::call::Callee;
use crate::channels::failed::CallFailed;
use crate::invocation::Invocation;
use crate::invocation::origin::DispatchOptions;
use crate::settings::egress::Egress;
use crate::settings::{Binding, Limits, Target};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::sync::Arc;
use std::time::Duration;
use taffrail_trace::{Attribute, SpanId};

/// A dispatcher's request for a user Worker.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Dispatch {
    /// The name of the binding.
    pub(crate) dispatch: String,
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) limits: LimitsJson,
    /// The parameters for the outbound Worker, which appear in its `env`.
    #[serde(default)]
    pub(crate) parameters: Map<String, Value>,
}

/// Limits that one Worker sets for another.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct LimitsJson {
    pub(crate) cpu_ms: Option<u64>,
    pub(crate) sub_requests: Option<u32>,
}

impl LimitsJson {
    /// Returns the lower of these limits and `own`.
    pub(crate) fn within(&self, own: &Limits) -> Limits {
        let cpu = self.cpu_ms.map_or(own.cpu, Duration::from_millis);
        Limits {
            cpu: cpu.min(own.cpu),
            subrequests: self
                .sub_requests
                .map_or(own.subrequests, |limit| limit.min(own.subrequests)),
            ..own.clone()
        }
    }
}

/// Returns the user Worker that a dispatcher requests, ready to be called.
pub(crate) async fn callee(
    channels: &dyn Channels,
    caller: &Arc<Invocation>,
    within: SpanId,
    dispatch: Dispatch,
) -> Result<Callee, CallFailed> {
    let bindings = &caller.worker.settings.bindings;
    let Some(Binding::Dispatch(namespace)) = bindings.get(&dispatch.dispatch) else {
        return Err(CallFailed::new(format!(
            "there is no dispatch namespace `{}`",
            dispatch.dispatch
        )));
    };
    let span = caller.begin_span_in(within, "dispatch_get");
    span.set(|| {
        vec![
            Attribute::new("cloudflare.binding.name", dispatch.dispatch.as_str()),
            Attribute::new("cloudflare.binding.type", "dispatch_namespace"),
            Attribute::new("cloudflare.dispatch.worker_name", dispatch.name.as_str()),
        ]
    });
    let found = channels
        .user_worker(&namespace.namespace, &dispatch.name)
        .await;
    span.end(found.is_ok());
    let worker = found?;
    let dispatch_options = DispatchOptions {
        limits: dispatch.limits.within(&worker.settings().limits),
        egress: namespace.outbound.clone().map(Egress::Worker),
        parameters: Arc::new(dispatch.parameters),
        batch: caller.batch(),
    };
    Ok(Callee {
        worker: Some(Arc::clone(&worker)),
        dispatch_options: Some(dispatch_options),
        ..Callee::from(Target::from(worker.id().clone()))
    })
}
