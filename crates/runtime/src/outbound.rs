//! The HTTP requests that a guest makes.

use crate::current::Current;
use crate::script::{ScriptHost, is_for_host};
use http::{Request, Response};
use http_body_util::BodyExt;
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

impl WasiHttpHooks for Outbound {
    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _guest_io: Io,
    ) -> Sending {
        if let Some(script) = &self.script
            && is_for_host(request.uri())
        {
            let answer = script.exchange.answer(request.uri().path());
            return Box::new(async move { Ok((answer.await?, Box::new(async { Ok(()) }) as Io)) });
        }
        if let Err(refusal) = self.current.invocation().subrequest() {
            let refusal = Error::InternalError(Some(refusal.to_string()));
            return Box::new(async { Err(refusal) });
        }
        Box::new(async move {
            let (response, io) = default_send_request(request, options).await?;
            Ok((response.map(BodyExt::boxed_unsync), Box::new(io) as Io))
        })
    }
}
