//! `wasi:http`: requests.

use crate::component::failure::{call_failed, instantiation_failed};
use crate::component::handlers::On;
use crate::component::run::send_response;
use crate::event::{Fetch, Respond};
use crate::instance::state::State;
use crate::invocation::ending::{Call, Response};
use http::Request;
use std::future::poll_fn;
use std::sync::Arc;
use wasmtime::Store;
use wasmtime::component::InstancePre;
use wasmtime_wasi_http::p2::bindings::ProxyPre;
use wasmtime_wasi_http::p2::bindings::http::types::Scheme;
use wasmtime_wasi_http::p2::body::HostOutgoingBody;
use wasmtime_wasi_http::p3::bindings::ServicePre;
use wasmtime_wasi_http::{WasiBody, WasiHttpView, p3};

const P2: &str = "wasi:http/incoming-handler@0.2.";
const P3: &str = "wasi:http/handler@0.3.";

/// The handler, for either version of `wasi:http`.
pub(super) enum Handler {
    P2(ProxyPre<State>),
    P3(ServicePre<State>),
}

impl super::Handler for Handler {
    const EXPORTS: &'static [&'static str] = &[P3, P2];
    const NAME: &'static str = "fetch";
    const MISSING: &'static str = "Received a FetchEvent but we lack a handler for FetchEvents. Did you remember to export a fetch() function?";
    type Event = Fetch;

    fn new(export: &str, pre: InstancePre<State>) -> wasmtime::Result<Self> {
        if export.starts_with(P3) {
            ServicePre::new(pre).map(Self::P3)
        } else {
            ProxyPre::new(pre).map(Self::P2)
        }
    }

    async fn call(&self, on: On<'_>, event: Fetch) -> Call {
        let Fetch {
            request, respond, ..
        } = event;
        match self {
            Self::P2(pre) => call_p2(pre, on, request, respond).await,
            Self::P3(pre) => call_p3(pre, on, request, respond).await,
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
    pre: &ProxyPre<State>,
    On {
        store,
        invocation,
        debug,
    }: On<'_>,
    request: Request<WasiBody>,
    respond: Respond,
) -> Call {
    let proxy = match pre.instantiate_async(&mut *store).await {
        Ok(proxy) => proxy,
        Err(error) => return instantiation_failed(&error, store.data(), debug),
    };
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
    let (request, outparam) = match resources {
        Ok(resources) => resources,
        Err(error) => return Call::HostFailed(format!("{error:#}")),
    };
    let handler = proxy.wasi_http_incoming_handler();
    match handler.call_handle(&mut *store, request, outparam).await {
        Ok(()) => Call::Returned,
        Err(error) => call_failed(&error, debug),
    }
}

async fn call_p3(
    pre: &ServicePre<State>,
    On {
        store,
        invocation,
        debug,
    }: On<'_>,
    request: Request<WasiBody>,
    respond: Respond,
) -> Call {
    let service = match pre.instantiate_async(&mut *store).await {
        Ok(service) => service,
        Err(error) => return instantiation_failed(&error, store.data(), debug),
    };
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
    match run.await.and_then(|result| result) {
        Ok(()) => Call::Returned,
        Err(error) => call_failed(&error, debug),
    }
}
