//! From the exports of a component to the functions with the attributes.

use crate::bindings::taffrail::workers::exceptions::{Failure, uncaught};
use crate::bindings::taffrail::workers::types;
use crate::failure::failure;
use crate::item::{self, TraceItem};
use crate::{Body, Request, Response};
use std::error::Error;
use wasip2::http::types::{IncomingRequest, ResponseOutparam};
use wstd::http::request::try_from_incoming;
use wstd::http::server::Responder;
use wstd::runtime::block_on;

pub use wasip2;

/// What a handler of requests may return.
pub trait FetchResult {
    /// Returns the response, or the reason why there is none.
    ///
    /// # Errors
    ///
    /// Fails if the handler did.
    fn response(self) -> Result<Response<Body>, Failure>;
}

impl<B: Into<Body>> FetchResult for Response<B> {
    fn response(self) -> Result<Response<Body>, Failure> {
        Ok(self.map(Into::into))
    }
}

impl<B: Into<Body>, E: Into<Box<dyn Error>>> FetchResult for Result<Response<B>, E> {
    fn response(self) -> Result<Response<Body>, Failure> {
        self.map_err(failure)?.response()
    }
}

/// What a handler of trace items may return.
pub trait TailResult {
    /// Returns whether it succeeded.
    ///
    /// # Errors
    ///
    /// Fails if the handler did.
    fn result(self) -> Result<(), Failure>;
}

impl TailResult for () {
    fn result(self) -> Result<(), Failure> {
        Ok(())
    }
}

impl<E: Into<Box<dyn Error>>> TailResult for Result<(), E> {
    fn result(self) -> Result<(), Failure> {
        self.map_err(failure)
    }
}

/// Answers a request with the response of a handler. Without one, the runtime answers.
pub fn fetch<R: FetchResult>(
    request: IncomingRequest,
    out: ResponseOutparam,
    handler: impl AsyncFnOnce(Request<Body>) -> R,
) {
    run(async {
        let request = try_from_incoming(request).map_err(failure)?;
        let response = handler(request).await.response()?;
        let responder = Responder::new(out);
        responder.respond(response).await.map_err(failure)
    });
}

/// Calls a handler with trace items.
pub fn tail<R: TailResult>(
    events: Vec<types::TraceItem>,
    handler: impl AsyncFnOnce(Vec<TraceItem>) -> R,
) {
    run(async {
        let events = item::from_wit(events).map_err(failure)?;
        handler(events).await.result()
    });
}

/// Runs a handler. Its failure becomes an exception in its trace item.
fn run(handler: impl Future<Output = Result<(), Failure>>) {
    #[cfg(feature = "log")]
    crate::log::install();
    #[cfg(feature = "tracing")]
    crate::tracing::install();
    if let Err(failure) = block_on(handler) {
        uncaught(&failure);
    }
}
