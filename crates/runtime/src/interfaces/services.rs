//! `taffrail:workers/services`: calls of other Workers.

use crate::channels::call::{Callee, of_binding};
use crate::channels::failed::CallFailed;
use crate::instance::state::State;
use generated::taffrail::workers::services;
use wasmtime::component::{HasSelf, Linker, Resource};
use wasmtime_wasi_http::p2::bindings::http::outgoing_handler;
use wasmtime_wasi_http::p2::bindings::http::types::ErrorCode;
use wasmtime_wasi_http::p2::types::{HostFutureIncomingResponse, HostOutgoingRequest};
use wasmtime_wasi_http::{RequestOptions, WasiHttpView};

mod generated {
    wasmtime::component::bindgen!({
        interfaces: "import taffrail:workers/services@0.2.0;",
        path: "../../wit",
        imports: { default: trappable },
        with: {
            "wasi:http": wasmtime_wasi_http::p2::bindings::http,
            "wasi:io": wasmtime_wasi::p2::bindings::io,
            "wasi:clocks": wasmtime_wasi::p2::bindings::clocks,
        },
    });
}

pub(super) fn add_to_linker<T: 'static>(
    linker: &mut Linker<T>,
    state: fn(&mut T) -> &mut State,
) -> wasmtime::Result<()> {
    services::add_to_linker::<_, HasSelf<State>>(linker, state)
}

/// The result of sending a request.
pub(super) type Sent = wasmtime::Result<Result<Resource<HostFutureIncomingResponse>, ErrorCode>>;

impl State {
    /// Sends a request to a Worker. It takes the same path as any other request, until `Outbound`
    /// finds the callee.
    pub(super) fn call(
        &mut self,
        callee: Result<Callee, CallFailed>,
        request: Resource<HostOutgoingRequest>,
        options: Option<Resource<RequestOptions>>,
    ) -> Sent {
        self.outbound.callee = Some(callee);
        let sent = outgoing_handler::Host::handle(&mut self.http(), request, options);
        self.outbound.callee = None;
        match sent {
            Ok(response) => Ok(Ok(response)),
            Err(error) => Ok(Err(error.downcast()?)),
        }
    }
}

impl services::Host for State {
    fn fetch(
        &mut self,
        binding: String,
        request: Resource<HostOutgoingRequest>,
        options: Option<Resource<RequestOptions>>,
    ) -> Sent {
        let callee = of_binding(&self.invocation(), &binding).map(Callee::from);
        self.call(callee, request, options)
    }
}
