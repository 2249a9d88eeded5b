//! The HTTP requests that a guest makes.

use crate::current::Current;
use crate::script::{Exchange, ScriptHost, call, is_for_host};
use http::{Request, Response};
use http_body_util::BodyExt;
use std::sync::Arc;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks, default_send_request};

/// Sends a guest's requests, as many as its limit allows.
pub(crate) struct Outbound {
    current: Current,
    /// Who answers a script's requests to its host.
    pub(crate) script: Option<ScriptHost>,
}

/// A response under way, with the work that goes on behind it.
type Sending = Box<dyn Future<Output = Result<(Response<WasiBody>, Io), Error>> + Send>;
type Io = Box<dyn Future<Output = Result<(), Error>> + Send>;

impl Outbound {
    pub(crate) fn new(current: Current) -> Self {
        Self {
            current,
            script: None,
        }
    }
}

impl Outbound {
    /// Answers a request of a script to its host.
    fn answer(&self, exchange: &Arc<Exchange>, request: Request<WasiBody>) -> Sending {
        let exchange = Arc::clone(exchange);
        let path = request.uri().path();
        // Only this one holds on to the invocation: others may outlast it.
        if path == "/service" {
            let caller = self.current.invocation();
            return Box::new(async move {
                let response = call::fetch(&caller, request).await;
                Ok(answered(response.map(|body| exchange.lease(body))))
            });
        }
        // The exchange has to know at once what is asked for, not only when
        // the answer is waited for.
        let answer = exchange.answer(path);
        Box::new(async move { Ok(answered(answer.await?.map(|body| exchange.lease(body)))) })
    }
}

fn answered(response: Response<WasiBody>) -> (Response<WasiBody>, Io) {
    (response, Box::new(async { Ok(()) }))
}

impl WasiHttpHooks for Outbound {
    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _guest_io: Io,
    ) -> Sending {
        let exchange = self.script.as_ref().map(|script| &script.exchange);
        if let Some(exchange) = exchange
            && is_for_host(request.uri())
        {
            return self.answer(exchange, request);
        }
        if let Err(refusal) = self.current.invocation().subrequest() {
            let refusal = Error::InternalError(Some(refusal.to_string()));
            return Box::new(async { Err(refusal) });
        }
        let exchange = exchange.cloned();
        Box::new(async move {
            let (response, io) = default_send_request(request, options).await?;
            let response = response.map(BodyExt::boxed_unsync);
            let response = match exchange {
                Some(exchange) => response.map(|body| exchange.lease(body)),
                None => response,
            };
            Ok((response, Box::new(io) as Io))
        })
    }
}
