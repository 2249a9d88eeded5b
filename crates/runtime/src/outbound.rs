//! The HTTP requests that a guest makes.

use crate::invocation::Invocation;
use http::{Request, Response};
use http_body_util::BodyExt;
use std::sync::Arc;
use taffrail_trace::LogLevel;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks, default_send_request};

/// Sends a guest's requests, as many as its limit allows.
pub(crate) struct Outbound {
    invocation: Arc<Invocation>,
    left: u32,
}

/// A response under way, with the work that goes on behind it.
type Sending = Box<dyn Future<Output = Result<(Response<WasiBody>, Io), Error>> + Send>;
type Io = Box<dyn Future<Output = Result<(), Error>> + Send>;

/// The wording is Cloudflare's.
const TOO_MANY: &str = "Too many subrequests by single Worker invocation.";

impl Outbound {
    pub(crate) fn new(invocation: &Arc<Invocation>) -> Self {
        Self {
            left: invocation.worker.settings.limits.subrequests,
            invocation: Arc::clone(invocation),
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
        let Some(left) = self.left.checked_sub(1) else {
            // Guests tend to say no more than that the request failed.
            self.invocation.log_text(LogLevel::Warn, TOO_MANY);
            self.invocation.subrequest_refused();
            return Box::new(async { Err(Error::InternalError(Some(TOO_MANY.to_owned()))) });
        };
        self.left = left;
        Box::new(async move {
            let (response, io) = default_send_request(request, options).await?;
            Ok((response.map(BodyExt::boxed_unsync), Box::new(io) as Io))
        })
    }
}
