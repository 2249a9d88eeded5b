//! Calls of one Worker by another.

use crate::event::Event;
use crate::invocation::body::Reader;
use crate::invocation::held::{CannotCollect, HostMemoryExceeded};
use crate::invocation::session;
use crate::invocation::{Invocation, TooManySubrequests};
use crate::platform::ahead;
use crate::platform::dispatch;
use crate::platform::dispatch::Terms;
use crate::settings::{Binding, Target};
use crate::worker::{FetchResult, Parent, Via, Worker};
use http::{Request, Response};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use taffrail_trace::{EventInfo, Json, Outcome, TraceException};
use wasmtime_wasi_http::WasiBody;

/// Workers that may call each other in a row, tails included; Cloudflare's
/// limit of Workers for one request.
pub(crate) const DEPTH: u32 = 32;

/// Whom a Worker calls.
#[derive(Clone)]
pub(crate) struct Callee {
    pub(crate) target: Arc<Target>,
    /// Where what the callee records goes as it happens, too.
    pub(crate) live: Option<session::Sender>,
    /// The Worker, if it is not to be found by its name.
    pub(crate) worker: Option<Arc<Worker>>,
    /// What a dispatcher has decided for it.
    pub(crate) terms: Option<Terms>,
    /// What it has in its `env` as an outbound Worker.
    pub(crate) parameters: Option<Arc<Map<String, Value>>>,
}

impl From<Target> for Callee {
    fn from(target: Target) -> Self {
        Self {
            target: Arc::new(target),
            live: None,
            worker: None,
            terms: None,
            parameters: None,
        }
    }
}

/// Why a call failed, as the caller is told.
#[derive(Clone, Debug, serde::Deserialize, serde::Serialize)]
pub(crate) struct CallFailed {
    pub(crate) name: String,
    pub(crate) message: String,
    /// Whether it is the callee's own failure.
    #[serde(default)]
    pub(crate) remote: bool,
}

impl CallFailed {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            name: "Error".to_owned(),
            message: message.into(),
            remote: false,
        }
    }

    /// What the callee threw. A name that the caller does not know is a part of
    /// the message, as on workerd.
    fn thrown(exception: TraceException) -> Self {
        let named = exception.stack.as_deref().and_then(header);
        Self {
            message: match named {
                Some(header) if header.ends_with(&exception.message) => header.to_owned(),
                _ => exception.message,
            },
            name: exception.name,
            remote: true,
        }
    }

    /// The exception with which the callee ended. One that it met at its start
    /// is told as workerd tells it.
    pub(crate) fn of(exception: Option<TraceException>, started: bool) -> Self {
        match exception {
            Some(TraceException {
                name,
                message,
                stack,
                ..
            }) if !started => {
                let frames: String = stack
                    .iter()
                    .flat_map(|stack| stack.lines())
                    .map(|frame| format!("\n  {}", frame.trim_start()))
                    .collect();
                Self::new(format!(
                    "Failed to start Worker:\nUncaught {name}: {message}{frames}"
                ))
            }
            Some(exception) => Self::thrown(exception),
            None => Self::new("The Worker did not answer."),
        }
    }
}

/// What stands before the first frame of a stack, if it is not the name and the
/// message of the exception.
fn header(stack: &str) -> Option<&str> {
    let end = stack.find("\n    at ").unwrap_or(stack.len());
    let header = &stack[..end];
    (!header.trim_start().starts_with("at ")).then_some(header)
}

impl From<TooManySubrequests> for CallFailed {
    fn from(refusal: TooManySubrequests) -> Self {
        Self::new(refusal.to_string())
    }
}

impl From<HostMemoryExceeded> for CallFailed {
    fn from(refusal: HostMemoryExceeded) -> Self {
        Self::new(refusal.to_string())
    }
}

impl From<CannotCollect> for CallFailed {
    fn from(failed: CannotCollect) -> Self {
        match failed {
            CannotCollect::TooLong => Self::new("the body is too long"),
            CannotCollect::BrokeOff => Self::new("the body broke off"),
            CannotCollect::Memory(refusal) => refusal.into(),
        }
    }
}

/// The Worker of a binding in `services`.
pub(crate) fn of_binding(caller: &Invocation, binding: &str) -> Result<Target, CallFailed> {
    match caller.worker.settings.bindings.get(binding) {
        Some(Binding::Service(target)) => Ok(target.clone()),
        _ => Err(CallFailed::new(format!(
            "there is no service binding `{binding}`"
        ))),
    }
}

/// Sends a request to a Worker on behalf of another one. Dropping the future
/// or the body of the response tells the callee that nobody waits for it.
pub(crate) async fn fetch(
    caller: &Invocation,
    called: Callee,
    request: Request<WasiBody>,
    cf: Option<Json>,
) -> Result<Response<WasiBody>, CallFailed> {
    let (worker, via) = callee(caller, called)?;
    match worker.fetch(request, cf, via, Reader::Worker).await {
        FetchResult::Response(response) => {
            Ok(response.map(|body| ahead::of(body, caller.host_memory())))
        }
        FetchResult::Failed {
            outcome: Outcome::ScriptNotFound,
            ..
        } => Err(CallFailed::new(dispatch::NOT_FOUND)),
        FetchResult::Failed {
            exception, started, ..
        } => Err(CallFailed::of(exception, started)),
    }
}

/// Has a Worker handle another event on behalf of one, and returns the outcome
/// and what the handler wants to become of the event, as one JSON object.
pub(crate) async fn dispatch(
    caller: &Invocation,
    called: Callee,
    event: Event,
) -> Result<Value, CallFailed> {
    let (worker, via) = callee(caller, called)?;
    let (outcome, wishes) = worker.dispatch(event, via).await;
    let mut result = Map::from_iter([("outcome".to_owned(), json!(outcome))]);
    let wishes = wishes.and_then(|wishes| serde_json::from_str::<Map<_, _>>(&wishes).ok());
    result.extend(wishes.unwrap_or_default());
    Ok(result.into())
}

/// Begins a session with a script on behalf of another one, whose end is
/// returned. `event` is what the callee records of it.
pub(crate) fn session(
    caller: &Invocation,
    called: Callee,
    event: EventInfo,
) -> Result<session::End, CallFailed> {
    let (worker, via) = callee(caller, called)?;
    let (ours, theirs) = session::pair();
    let to_caller = theirs.sender.clone();
    tokio::spawn(async move {
        if let Some(failed) = worker.session(event, theirs, via).await {
            // What ends a session in the protocol of capnweb.
            let abort = json!(["abort", ["error", failed.name, failed.message]]);
            to_caller.send_last(&abort.to_string());
        }
    });
    Ok(ours)
}

/// How deep a call of `caller` is, or that it may not be that deep.
pub(crate) fn next_depth(caller: &Invocation) -> Result<u32, CallFailed> {
    let depth = caller.via.depth.saturating_add(1);
    if depth > DEPTH {
        return Err(CallFailed::new(format!(
            "Workers called each other {DEPTH} times in a row: is there a cycle of service bindings, of requests to this server, or of a tail that calls the Worker whose items it receives?"
        )));
    }
    Ok(depth)
}

/// The Worker that is called, and the way to it.
fn callee(caller: &Invocation, called: Callee) -> Result<(Arc<Worker>, Via), CallFailed> {
    let depth = next_depth(caller)?;
    let Callee {
        target,
        live,
        worker,
        terms,
        parameters,
    } = called;
    let deployed = || {
        // A Worker that calls itself calls the code that it runs.
        if target.worker == caller.worker.id {
            return Some(Arc::clone(&caller.worker));
        }
        caller.worker.platform.upgrade()?.find(&target.worker)
    };
    let Some(worker) = worker.or_else(deployed) else {
        return Err(CallFailed::new(format!(
            "there is no Worker `{}` to call",
            target.worker
        )));
    };
    let via = Via {
        target: Some(target),
        parent: Some(Parent {
            invocation: caller.id.clone(),
            request: caller.request_id().to_owned(),
        }),
        depth,
        claimed: caller.via.claimed,
        live,
        terms,
        parameters,
    };
    Ok((worker, via))
}
