//! The requests of a script, including those to its host.

use crate::channels::failed::CallFailed;
use crate::instance::outbound::{Io, Sending, answered, send};
use crate::instance::table::BODY_CHUNK;
use crate::invocation::drain::drain_on_drop;
use crate::script::call;
use crate::script::exchange::empty;
use crate::script::run::Run;
use crate::script::state::ScriptHost;
use crate::script::token::Token;
use http::{Request, Response};
use std::sync::Arc;
use wasmtime_wasi_http::{RequestOptions, WasiBody, WasiHttpHooks};

/// The message of every network error. The wording is workerd's.
const CONNECTION_LOST: &str = "Network connection lost.";

impl WasiHttpHooks for ScriptHost {
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
        // StarlingMonkey aborts if it cannot write the body that it sends.
        let mut request = request.map(drain_on_drop);
        let Some(number) = self.token.take_number(request.headers_mut()) else {
            return self.sending(request, options);
        };
        let abandonable = self.abandonable.clone();
        let sending = Box::into_pin(self.sending(request, options));
        // The script may abandon the request before it is first polled.
        let sent = abandonable.until_abandoned(number, sending);
        Box::new(async move {
            // The script does not wait for this response any more.
            let given_up = || Ok(answered(Response::new(empty())));
            sent.await.unwrap_or_else(given_up)
        })
    }
}

impl ScriptHost {
    fn sending(&self, request: Request<WasiBody>, options: Option<RequestOptions>) -> Sending {
        if self.token.is_asked(request.uri()) {
            return self.answer(request);
        }
        let caller = self.events.run();
        // The script may be in another span once the request is on its way.
        let within = caller.invocation.current_span();
        let channels = Arc::clone(&self.channels);
        let token = self.token.clone();
        Box::new(async move {
            // A script throws the failure unchanged.
            let sent = send(&*channels, &caller.invocation, within, request, options).await;
            let (response, io) = match sent {
                Ok(Ok(sent)) => sent,
                Ok(Err(_)) => answered(token.failure(&CallFailed::new(CONNECTION_LOST))),
                Err(failed) => answered(token.failure(&failed)),
            };
            Ok((leased(&caller, &token, response), io))
        })
    }

    /// Answers a request to the host.
    fn answer(&self, request: Request<WasiBody>) -> Sending {
        let caller = self.events.run();
        let exchange = &caller.exchange;
        match (request.uri().path(), &self.object) {
            // These wait for longer than the invocation may last, so they must not hold a
            // reference to it.
            ("/idle", _) => waited(self.idle.answer()),
            ("/drained", _) => waited(exchange.drained()),
            ("/events", Some(object)) => {
                let object = Arc::clone(object);
                waited(object.answer())
            }
            ("/events", None) => waited(self.events.answer()),
            // The exchange must be asked at once, and not only when the response is awaited.
            ("/request", _) => ready(Response::new(exchange.lease(exchange.request()))),
            (path, _) if path.starts_with("/live/") => {
                let number = path.trim_start_matches("/live/");
                let live = exchange.live(number).map(|body| exchange.lease(body));
                ready(live.map_or_else(|failed| self.token.failure(&failed), Response::new))
            }
            _ => {
                let within = caller.invocation.current_span();
                let channels = Arc::clone(&self.channels);
                let token = self.token.clone();
                Box::new(async move {
                    let response = call::answer(&*channels, &caller, within, &token, request).await;
                    let response = response.unwrap_or_else(|failed| token.failure(&failed));
                    Ok(answered(leased(&caller, &token, response)))
                })
            }
        }
    }
}

/// Returns a response for a script.
fn leased(caller: &Run, token: &Token, response: Response<WasiBody>) -> Response<WasiBody> {
    let account = caller.invocation.host_memory();
    caller.exchange.lease_response(response, token, account)
}

fn ready(response: Response<WasiBody>) -> Sending {
    Box::new(async { Ok(answered(response)) })
}

fn waited(answer: impl Future<Output = Response<WasiBody>> + Send + 'static) -> Sending {
    Box::new(async { Ok(answered(answer.await)) })
}
