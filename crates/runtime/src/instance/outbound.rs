//! The HTTP requests that a guest makes.

use crate::channels::Channels;
use crate::channels::call;
use crate::channels::call::Callee;
use crate::channels::failed::CallFailed;
use crate::instance::cdn_loop;
use crate::instance::table::BODY_CHUNK;
use crate::invocation::Invocation;
use crate::invocation::current::Current;
use crate::invocation::drain::drain_on_drop;
use crate::script::exchange;
use crate::script::{ScriptHost, Token, answer};
use crate::settings::egress;
use crate::settings::egress::Egress;
use http::{Request, Response};
use http_body_util::BodyExt;
use std::sync::Arc;
use taffrail_trace::LogLevel;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks, default_send_request};

/// Sends a guest's requests where they may go, as many as its limit allows.
pub(crate) struct Outbound {
    current: Current,
    channels: Arc<dyn Channels>,
    /// Who answers a script's requests to its host.
    pub(crate) script: Option<ScriptHost>,
    /// Whom the next request of a component is for, if not for the network.
    pub(crate) callee: Option<Result<Callee, CallFailed>>,
}

/// A response under way, with the work that goes on behind it.
type Sending = Box<dyn Future<Output = Result<(Response<WasiBody>, Io), Error>> + Send>;
type Io = Box<dyn Future<Output = Result<(), Error>> + Send>;

impl Outbound {
    pub(crate) fn new(current: Current, channels: Arc<dyn Channels>) -> Self {
        Self {
            current,
            channels,
            script: None,
            callee: None,
        }
    }

    /// Answers a request of a script to its host.
    fn answer(&self, script: &ScriptHost, request: Request<WasiBody>) -> Sending {
        let caller = self.current.invocation();
        let exchange = &caller.exchange;
        match (request.uri().path(), &script.object) {
            // What is waited for outlasts the invocation, and so must not hold
            // on to it.
            ("/idle", _) => waited(script.idle.answer()),
            ("/drained", _) => waited(exchange.drained()),
            ("/events", Some(object)) => {
                let object = Arc::clone(object);
                waited(object.answer())
            }
            ("/events", None) => waited(script.events.answer()),
            // The exchange has to know at once what is asked for, not only when
            // the answer is waited for.
            ("/request", _) => ready(Response::new(exchange.lease(exchange.request()))),
            (path, _) if path.starts_with("/live/") => {
                let number = path.trim_start_matches("/live/");
                let live = exchange.live(number).map(|body| exchange.lease(body));
                ready(live.map_or_else(|failed| script.token.failure(&failed), Response::new))
            }
            _ => {
                let token = script.token.clone();
                let channels = Arc::clone(&self.channels);
                Box::new(async move {
                    let response = answer(&*channels, &caller, &token, request).await;
                    let response = response.unwrap_or_else(|failed| token.failure(&failed));
                    Ok(answered(leased(&caller, &token, response)))
                })
            }
        }
    }
}

/// What a script is told of everything that the network does not do. The wording
/// is workerd's.
const CONNECTION_LOST: &str = "Network connection lost.";

/// A response for a script.
fn leased(caller: &Invocation, token: &Token, response: Response<WasiBody>) -> Response<WasiBody> {
    let exchange = &caller.exchange;
    exchange.lease_response(response, token, caller.host_memory())
}

fn ready(response: Response<WasiBody>) -> Sending {
    Box::new(async { Ok(answered(response)) })
}

fn waited(answer: impl Future<Output = Response<WasiBody>> + Send + 'static) -> Sending {
    Box::new(async { Ok(answered(answer.await)) })
}

fn answered(response: Response<WasiBody>) -> (Response<WasiBody>, Io) {
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
        let mut request = match self.script {
            // StarlingMonkey aborts when it cannot write what it wants to send.
            Some(_) => request.map(drain_on_drop),
            None => request,
        };
        if let Some(script) = &self.script
            && let Some(number) = script.token.take_number(request.headers_mut())
        {
            let abandonable = script.abandonable.clone();
            let sending = Box::into_pin(self.sending(request, options));
            // The script may give it up before it is polled for the first time.
            let sent = abandonable.until_abandoned(number, sending);
            return Box::new(async move {
                // Nobody waits for this any more.
                let given_up = || Ok(answered(Response::new(exchange::empty())));
                sent.await.unwrap_or_else(given_up)
            });
        }
        self.sending(request, options)
    }
}

impl Outbound {
    fn sending(&mut self, request: Request<WasiBody>, options: Option<RequestOptions>) -> Sending {
        if let Some(script) = &self.script
            && script.token.is_asked(request.uri())
        {
            return self.answer(script, request);
        }
        let caller = self.current.invocation();
        let channels = Arc::clone(&self.channels);
        if let Some(callee) = self.callee.take() {
            return Box::new(async move {
                let sent = call_worker(&*channels, &caller, callee, request).await;
                sent.map(answered)
                    .map_err(|failed| Error::InternalError(Some(failed.message)))
            });
        }
        let token = self.script.as_ref().map(|script| script.token.clone());
        Box::new(async move {
            let sent = send(&*channels, &caller, request, options).await;
            let Some(token) = token else {
                // A component knows no more than a code.
                return sent.unwrap_or_else(|failed| {
                    caller.log_text(LogLevel::Warn, &failed.message);
                    Err(Error::HttpRequestDenied)
                });
            };
            // A script throws it as it is.
            let (response, io) = match sent {
                Ok(Ok(sent)) => sent,
                Ok(Err(_)) => answered(token.failure(&CallFailed::new(CONNECTION_LOST))),
                Err(failed) => answered(token.failure(&failed)),
            };
            Ok((leased(&caller, &token, response), io))
        })
    }
}

/// Sends a component's request to another Worker.
async fn call_worker(
    channels: &dyn Channels,
    caller: &Arc<Invocation>,
    callee: Result<Callee, CallFailed>,
    request: Request<WasiBody>,
) -> Result<Response<WasiBody>, CallFailed> {
    caller.subrequest()?;
    call::fetch(channels, caller, callee?, request, None).await
}

/// Sends a request to where the Worker's go. The outer error says why it may
/// not go out.
async fn send(
    channels: &dyn Channels,
    caller: &Arc<Invocation>,
    mut request: Request<WasiBody>,
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
            let terms = caller.via.terms.as_ref();
            let called = Callee {
                parameters: terms.map(|terms| Arc::clone(&terms.parameters)),
                ..target.clone().into()
            };
            let response = call::fetch(channels, caller, called, request, None).await?;
            return Ok(Ok(answered(response)));
        }
    }
    let depth = call::next_depth(caller)?;
    let entry = cdn_loop::entry(depth);
    let headers = request.headers_mut();
    if headers.try_append(cdn_loop::HEADER, entry).is_err() {
        return Err(CallFailed::new("the request has too many headers"));
    }
    let (_permit, charge) = caller.connect().await?;
    let sent = default_send_request(request, options).await;
    Ok(sent.map(|(response, io)| {
        let response = response.map(|body| charge.with_body(body.boxed_unsync()));
        (response, Box::new(io) as Io)
    }))
}
