//! The HTTP requests that a guest makes.

use crate::channels::Channels;
use crate::channels::call;
use crate::channels::call::Callee;
use crate::channels::failed::CallFailed;
use crate::channels::network::SendError;
use crate::channels::spans;
use crate::instance::cdn_loop;
use crate::instance::table::BODY_CHUNK;
use crate::instance::trace_context;
use crate::instance::unreachable;
use crate::invocation::Invocation;
use crate::invocation::current::CurrentInvocation;
use crate::invocation::drain::drain_on_drop;
use crate::invocation::spans::Span;
use crate::settings::egress;
use crate::settings::egress::Egress;
use http::{Request, Response};
use http_body_util::BodyExt;
use std::sync::Arc;
use taffrail_trace::{LogLevel, SpanId};
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks, default_send_request};

/// Sends a component's requests to their permitted destinations, up to its limit of subrequests.
pub(crate) struct Outbound {
    current: CurrentInvocation,
    channels: Arc<dyn Channels>,
    /// The Worker that the next request is for, if it is not for the network.
    pub(crate) callee: Option<Result<Callee, CallFailed>>,
}

/// A pending response, with the I/O that continues in the background.
pub(crate) type Sending = Box<dyn Future<Output = Result<(Response<WasiBody>, Io), Error>> + Send>;
pub(crate) type Io = Box<dyn Future<Output = Result<(), Error>> + Send>;

impl Outbound {
    pub(crate) fn new(current: CurrentInvocation, channels: Arc<dyn Channels>) -> Self {
        Self {
            current,
            channels,
            callee: None,
        }
    }
}

/// Returns a response without background I/O.
pub(crate) fn answered(response: Response<WasiBody>) -> (Response<WasiBody>, Io) {
    (response, Box::new(async { Ok(()) }))
}

impl WasiHttpHooks for Outbound {
    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        BODY_CHUNK
    }

    fn p3_outgoing_body_chunk_size(&mut self) -> usize {
        BODY_CHUNK
    }

    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _guest_io: Io,
    ) -> Sending {
        // The answer may come first, and then the body is not read to its end. The guest still
        // writes it: a stream that is closed is an error for it, and the answer would be lost.
        let request = request.map(drain_on_drop);
        let caller = self.current.invocation();
        // The guest may be in another span once the request is on its way.
        let within = caller.current_span();
        let channels = Arc::clone(&self.channels);
        if let Some(callee) = self.callee.take() {
            return Box::new(async move {
                let sent = call_worker(&*channels, &caller, within, callee, request).await;
                sent.map(answered)
                    .map_err(|failed| Error::InternalError(Some(failed.message)))
            });
        }
        Box::new(async move {
            let sent = send(&*channels, &caller, within, request, options).await;
            // A component receives only an error code, so the reason is logged.
            sent.unwrap_or_else(|failed| {
                caller.log_text(LogLevel::Warn, &failed.message);
                Err(Error::HttpRequestDenied)
            })
        })
    }
}

/// Sends a component's request to another Worker.
async fn call_worker(
    channels: &dyn Channels,
    caller: &Arc<Invocation>,
    within: SpanId,
    callee: Result<Callee, CallFailed>,
    request: Request<WasiBody>,
) -> Result<Response<WasiBody>, CallFailed> {
    caller.subrequest()?;
    call::fetch(channels, caller, within, callee?, request, None).await
}

/// Sends a request to the destination that the Worker's egress permits. The outer error says why
/// it may not go out.
pub(crate) async fn send(
    channels: &dyn Channels,
    caller: &Arc<Invocation>,
    within: SpanId,
    request: Request<WasiBody>,
    options: Option<RequestOptions>,
) -> Result<Result<(Response<WasiBody>, Io), Error>, CallFailed> {
    caller.subrequest()?;
    match caller.egress() {
        Egress::Anywhere => {}
        Egress::Hosts(patterns) => {
            if let Some(refusal) = egress::refusal(patterns, request.uri()) {
                return Err(CallFailed::new(refusal));
            }
        }
        Egress::Worker(target) => {
            let dispatch_options = caller.origin.dispatch_options.as_ref();
            let called = Callee {
                parameters: dispatch_options
                    .map(|dispatch_options| Arc::clone(&dispatch_options.parameters)),
                ..target.clone().into()
            };
            let response = call::fetch(channels, caller, within, called, request, None).await?;
            return Ok(Ok(answered(response)));
        }
    }
    let mut span = caller.begin_span(within, "fetch");
    span.set(|| spans::request(&request));
    let sent = send_out(channels, caller, request, options, &span).await;
    if let Ok(Ok((response, _))) = &sent {
        span.set(|| spans::response(response));
    }
    span.end_with_result(matches!(sent, Ok(Ok(_))));
    sent
}

/// Sends a request over the network.
async fn send_out(
    channels: &dyn Channels,
    caller: &Arc<Invocation>,
    mut request: Request<WasiBody>,
    options: Option<RequestOptions>,
    span: &Span,
) -> Result<Result<(Response<WasiBody>, Io), Error>, CallFailed> {
    let depth = call::next_depth(caller)?;
    let entry = cdn_loop::entry(depth);
    let headers = request.headers_mut();
    if headers.try_append(cdn_loop::HEADER, entry).is_err() {
        return Err(CallFailed::new("the request has too many headers"));
    }
    trace_context::inject(headers, caller, span);
    let (_permit, charge) = caller.connect().await?;
    let sent = match channels.network() {
        Some(network) => match network.send(&caller.worker.id, request).await {
            Ok(response) => Ok(answered(response)),
            Err(SendError::Refused(message)) => return Err(CallFailed::new(message)),
            Err(SendError::Failed(error)) => Err(error),
        },
        None => {
            if let Some(refusal) = unreachable::refusal(channels.unreachable(), request.uri()).await
            {
                return Err(CallFailed::new(refusal));
            }
            default_send_request(request, options)
                .await
                .map(|(response, io)| (response.map(BodyExt::boxed_unsync), Box::new(io) as Io))
        }
    };
    Ok(sent.map(|(response, io)| (response.map(|body| charge.with_body(body)), io)))
}
