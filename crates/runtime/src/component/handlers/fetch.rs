//! `wasi:http`: requests.

use crate::component::handlers::{Exported, NotReturned, On};
use crate::component::run::send_response;
use crate::event::{Fetch, Respond};
use crate::instance::state::State;
use crate::invocation::ending::{Call, Response};
use http::Request;
use std::future::poll_fn;
use std::sync::Arc;
use wasmtime::Store;
use wasmtime_wasi_http::p2::bindings::ProxyIndices;
use wasmtime_wasi_http::p2::bindings::http::types::Scheme;
use wasmtime_wasi_http::p2::body::HostOutgoingBody;
use wasmtime_wasi_http::p3::bindings::ServiceIndices;
use wasmtime_wasi_http::{WasiBody, WasiHttpView, p3};

const P2: &str = "wasi:http/incoming-handler@0.2.";
const P3: &str = "wasi:http/handler@0.3.";

/// The handler, for either version of `wasi:http`.
pub(super) enum Handler {
    P2(ProxyIndices),
    P3(ServiceIndices),
}

impl super::Handler for Handler {
    const EXPORTS: &'static [&'static str] = &[P3, P2];
    const NAME: &'static str = "fetch";
    const MISSING: &'static str = "Received a FetchEvent but we lack a handler for FetchEvents. Did you remember to export a fetch() function?";
    type Event = Fetch;

    fn new(export: &str, exported: &Exported<'_>) -> wasmtime::Result<Self> {
        if export.starts_with(P3) {
            ServiceIndices::new(exported.pre).map(Self::P3)
        } else {
            ProxyIndices::new(exported.pre).map(Self::P2)
        }
    }

    async fn call(&self, on: On<'_>, event: Fetch) -> Result<(), NotReturned> {
        let Fetch {
            request, respond, ..
        } = event;
        match self {
            Self::P2(indices) => call_p2(indices, on, request, respond).await,
            Self::P3(indices) => call_p3(indices, on, request, respond).await,
        }
    }
}

impl Handler {
    /// Whether the guest was stopped before the end of its response body.
    pub(super) fn response_is_cut_off(&self, store: &mut Store<State>, call: &Call) -> bool {
        if matches!(call, Call::Returned) {
            return false;
        }
        match self {
            // `outgoing-body.finish` takes the body out of the table.
            Self::P2(_) => store
                .data_mut()
                .table
                .iter_mut()
                .any(|entry| entry.is::<HostOutgoingBody>()),
            // A stream only reports that its writer is gone.
            Self::P3(_) => true,
        }
    }
}

async fn call_p2(
    indices: &ProxyIndices,
    On {
        store,
        guest,
        invocation,
    }: On<'_>,
    request: Request<WasiBody>,
    respond: Respond,
) -> Result<(), NotReturned> {
    let proxy = indices.load(&mut *store, guest);
    let proxy = proxy.map_err(NotReturned::Host)?;
    let answered = Arc::clone(invocation);
    let mut http = store.data_mut().http();
    let resources = http
        .new_incoming_request(Scheme::Http, request)
        .and_then(|request| {
            let outparam =
                http.new_response_outparam_from_callback(move |result| match result {
                    Ok(response) => send_response(&answered, response, respond),
                    Err(code) => answered.response(Response::Refused(format!("{code:?}"))),
                })?;
            Ok((request, outparam))
        });
    let (request, outparam) = resources.map_err(NotReturned::Host)?;
    let handler = proxy.wasi_http_incoming_handler();
    let result = handler.call_handle(&mut *store, request, outparam).await;
    result.map_err(NotReturned::Guest)
}

async fn call_p3(
    indices: &ServiceIndices,
    On {
        store,
        guest,
        invocation,
    }: On<'_>,
    request: Request<WasiBody>,
    respond: Respond,
) -> Result<(), NotReturned> {
    let service = indices.load(&mut *store, guest);
    let service = service.map_err(NotReturned::Host)?;
    let (request, sent) = p3::Request::from_http(store.data_mut().http().hooks, request);
    let run = store.run_concurrent(async |accessor| {
        match service.handle(accessor, request).await? {
            Ok(response) => {
                let response = accessor.with(|store| response.into_http(store, sent))?;
                send_response(invocation, response, respond);
            }
            Err(code) => invocation.response(Response::Refused(format!("{code:?}"))),
        }
        // The handler has returned. Its tasks go on, including the response body.
        poll_fn(|cx| accessor.poll_no_interesting_tasks(cx)).await;
        wasmtime::error::Ok(())
    });
    let result = run.await.and_then(|result| result);
    result.map_err(NotReturned::Guest)
}
