//! Calls of one Worker by another.

use crate::channels::failed::CallFailed;
use crate::channels::prefetch::prefetch;
use crate::channels::spans;
use crate::channels::{Channel, Channels};
use crate::event::{Event, Purpose, Session};
use crate::invocation::Invocation;
use crate::invocation::body::Reader;
use crate::invocation::fetch_result::FetchResult;
use crate::invocation::origin::{DispatchOptions, Origin, Parent};
use crate::invocation::session;
use crate::invocation::spans::Span;
use crate::settings::{Binding, DEPTH, Target};
use http::{Request, Response};
use serde_json::{Map, Value, json};
use std::sync::{Arc, Mutex, PoisonError};
use taffrail_trace::{Attribute, Json, Outcome, SpanId};
use wasmtime_wasi_http::WasiBody;

/// The message that Cloudflare's dispatchers receive.
pub(crate) const NOT_FOUND: &str = "Worker not found.";

/// The target of a call.
#[derive(Clone)]
pub(crate) struct Callee {
    pub(crate) target: Arc<Target>,
    /// A stream for the callee's records as they are made.
    pub(crate) live: Option<session::Sender>,
    /// The Worker, if the caller already has it. Otherwise it is looked up.
    pub(crate) worker: Option<Arc<dyn Channel>>,
    /// The options of a dispatcher for this call.
    pub(crate) dispatch_options: Option<DispatchOptions>,
    /// The parameters of an outbound Worker, which appear in its `env`.
    pub(crate) parameters: Option<Arc<Map<String, Value>>>,
}

impl From<Target> for Callee {
    fn from(target: Target) -> Self {
        Self {
            target: Arc::new(target),
            live: None,
            worker: None,
            dispatch_options: None,
            parameters: None,
        }
    }
}

/// Returns the Worker of a binding in `services`.
pub(crate) fn of_binding(caller: &Invocation, binding: &str) -> Result<Target, CallFailed> {
    match caller.worker.settings.bindings.get(binding) {
        Some(Binding::Service(target)) => Ok(target.clone()),
        _ => Err(CallFailed::new(format!(
            "there is no service binding `{binding}`"
        ))),
    }
}

/// Sends a request to a Worker on behalf of another one, which works within a span. Dropping the
/// future or the response body tells the callee that its client has disconnected.
pub(crate) async fn fetch(
    channels: &dyn Channels,
    caller: &Arc<Invocation>,
    within: SpanId,
    called: Callee,
    request: Request<WasiBody>,
    cf: Option<Json>,
) -> Result<Response<WasiBody>, CallFailed> {
    let whole = called.target.object.as_ref().map(|object| {
        let mut span = caller.begin_span(within, "durable_object_subrequest");
        span.set_one("objectId", object.id.as_str());
        span
    });
    let mut span = match &whole {
        Some(whole) => whole.span("fetch"),
        None => caller.begin_span(within, "fetch"),
    };
    span.set(|| spans::request(&request));
    let fetched = fetched(channels, caller, called, request, cf, &span).await;
    if let Ok(response) = &fetched {
        span.set(|| spans::response(response));
    }
    span.end_with_result(fetched.is_ok());
    match (whole, fetched) {
        (Some(whole), Ok(response)) => Ok(response.map(|body| whole.until_end_of(body))),
        (Some(whole), Err(failed)) => {
            whole.end(false);
            Err(failed)
        }
        (None, fetched) => fetched,
    }
}

async fn fetched(
    channels: &dyn Channels,
    caller: &Arc<Invocation>,
    called: Callee,
    request: Request<WasiBody>,
    cf: Option<Json>,
    span: &Span,
) -> Result<Response<WasiBody>, CallFailed> {
    let (worker, origin) = callee(channels, caller, called, span)?;
    match worker.fetch(request, cf, origin, Reader::Worker).await {
        FetchResult::Response(response) => {
            Ok(response.map(|body| prefetch(body, caller.host_memory())))
        }
        FetchResult::Failed {
            outcome: Outcome::ScriptNotFound,
            ..
        } => Err(CallFailed::new(NOT_FOUND)),
        FetchResult::Failed {
            exception, started, ..
        } => Err(CallFailed::of(exception, started)),
    }
}

/// Has a Worker handle another event on behalf of the caller. Returns the outcome and the result
/// of the handler as one JSON object.
pub(crate) async fn dispatch(
    channels: &dyn Channels,
    caller: &Arc<Invocation>,
    within: SpanId,
    called: Callee,
    event: Event,
) -> Result<Value, CallFailed> {
    let name = match &event {
        Event::Scheduled(_) => "scheduled",
        _ => "queue",
    };
    let span = caller.begin_span(within, name);
    let (worker, origin) = callee(channels, caller, called, &span)?;
    let (outcome, result) = worker.dispatch(event, origin).await;
    span.end(outcome == Outcome::Ok);
    let mut members = Map::from_iter([("outcome".to_owned(), json!(outcome))]);
    let result = result.and_then(|result| serde_json::from_str::<Map<_, _>>(&result).ok());
    members.extend(result.unwrap_or_default());
    Ok(members.into())
}

/// Begins a session with a script on behalf of another one, and returns the caller's end.
pub(crate) fn session(
    channels: &dyn Channels,
    caller: &Arc<Invocation>,
    within: SpanId,
    called: Callee,
    purpose: Purpose,
) -> Result<(session::End, Arc<SessionSpans>), CallFailed> {
    let name = match &purpose {
        Purpose::Rpc(_) => "jsRpcSession",
        Purpose::Connect => "connect",
    };
    let span = caller.begin_span(within, name);
    let call = match &purpose {
        Purpose::Rpc(method) => {
            let mut call = span.span("jsRpcCall");
            call.set(|| {
                vec![
                    Attribute::new("jsrpc.target_kind", "fetcher"),
                    Attribute::new("jsrpc.operation", "call"),
                    Attribute::new("jsrpc.method", method.as_str()),
                ]
            });
            Some(call)
        }
        Purpose::Connect => None,
    };
    let cause = call.as_ref().unwrap_or(&span);
    let (worker, origin) = callee(channels, caller, called, cause)?;
    let (ours, theirs) = session::pair();
    let to_caller = theirs.sender.clone();
    let spans = Arc::new(SessionSpans(Mutex::new(Some((call, span)))));
    let ended = Arc::clone(&spans);
    tokio::spawn(async move {
        let session = Session {
            purpose,
            end: theirs,
        };
        let failed = worker.session(session, origin).await;
        ended.end(failed.is_none());
        if let Some(failed) = failed {
            // The message that ends a session in the protocol of capnweb.
            let abort = json!(["abort", ["error", failed.name, failed.message]]);
            to_caller.send_last(&abort.to_string());
        }
    });
    Ok((ours, spans))
}

/// The spans of a session at its caller: that of the call, if it is one, and that of the whole.
/// They end when either side ends the session.
pub(crate) struct SessionSpans(Mutex<Option<(Option<Span>, Span)>>);

impl SessionSpans {
    /// Ends the spans. `ok` is false if the session failed.
    pub(crate) fn end(&self, ok: bool) {
        let spans = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((call, whole)) = spans {
            if let Some(call) = call {
                call.end_with_result(ok);
            }
            whole.end_with_result(ok);
        }
    }
}

/// Returns the depth of a call by `caller`, or fails if it exceeds the limit.
pub(crate) fn next_depth(caller: &Invocation) -> Result<u32, CallFailed> {
    let depth = caller.origin.depth.saturating_add(1);
    if depth > DEPTH {
        return Err(CallFailed::new(format!(
            "Workers called each other {DEPTH} times in a row: is there a cycle of service bindings, of requests to this server, or of a tail that calls the Worker whose items it receives?"
        )));
    }
    Ok(depth)
}

/// Returns the Worker that is called, and the origin of the call.
fn callee(
    channels: &dyn Channels,
    caller: &Invocation,
    called: Callee,
    span: &Span,
) -> Result<(Arc<dyn Channel>, Origin), CallFailed> {
    let depth = next_depth(caller)?;
    let Callee {
        target,
        live,
        worker,
        dispatch_options,
        parameters,
    } = called;
    let worker = match worker {
        Some(worker) => worker,
        None => channels.worker(&target.worker)?,
    };
    let origin = Origin {
        target: Some(target),
        parent: Some(Parent {
            invocation: caller.id,
            request: caller.request_id(),
            log_sampling_rate: caller.log_sampling_rate(),
        }),
        trace: Some(caller.trace_parent(span)),
        depth,
        claimed: caller.origin.claimed,
        live,
        dispatch_options,
        parameters,
    };
    Ok((worker, origin))
}
