//! `taffrail:workers/dispatch`: user Workers.

use crate::channels::call::Callee;
use crate::channels::dispatch::{Dispatch, LimitsJson, callee};
use crate::instance::state::State;
use crate::interfaces::services::Sent;
use generated::taffrail::workers::dispatch;
use generated::taffrail::workers::dispatch::CallLimits;
use wasmtime::component::{HasSelf, Linker, Resource};
use wasmtime_wasi_http::RequestOptions;
use wasmtime_wasi_http::p2::types::HostOutgoingRequest;

mod generated {
    wasmtime::component::bindgen!({
        interfaces: "import taffrail:workers/dispatch@0.2.0;",
        path: "../../wit",
        imports: {
            "taffrail:workers/dispatch.get": async | trappable,
            default: trappable,
        },
        require_store_data_send: true,
        with: {
            "wasi:http": wasmtime_wasi_http::p2::bindings::http,
            "wasi:io": wasmtime_wasi::p2::bindings::io,
            "wasi:clocks": wasmtime_wasi::p2::bindings::clocks,
            "taffrail:workers/types": crate::interfaces::types::generated::taffrail::workers::types,
            "taffrail:workers/dispatch.user-worker": crate::interfaces::dispatch::UserWorker,
        },
    });
}

/// A user Worker that a component may call.
#[expect(unreachable_pub, reason = "the generated code re-exports it as `pub`")]
pub struct UserWorker(Callee);

pub(super) fn add_to_linker<T: Send + 'static>(
    linker: &mut Linker<T>,
    state: fn(&mut T) -> &mut State,
) -> wasmtime::Result<()> {
    dispatch::add_to_linker::<_, HasSelf<State>>(linker, state)
}

impl dispatch::Host for State {
    async fn get(
        &mut self,
        binding: String,
        name: String,
        limits: CallLimits,
        parameters: String,
    ) -> wasmtime::Result<Result<Resource<UserWorker>, String>> {
        let parameters = match serde_json::from_str(&parameters) {
            Ok(parameters) => parameters,
            Err(error) => return Ok(Err(format!("`parameters` is not a JSON object: {error}"))),
        };
        let dispatch = Dispatch {
            dispatch: binding,
            name,
            limits: LimitsJson {
                cpu_ms: limits.cpu_ms,
                sub_requests: limits.subrequests,
            },
            parameters,
        };
        let caller = self.invocation();
        let within = caller.current_span();
        Ok(
            match callee(&*self.channels, &caller, within, dispatch).await {
                Ok(callee) => Ok(self.table.push(UserWorker(callee))?),
                Err(failed) => Err(failed.message),
            },
        )
    }
}

impl dispatch::HostUserWorker for State {
    fn fetch(
        &mut self,
        worker: Resource<UserWorker>,
        request: Resource<HostOutgoingRequest>,
        options: Option<Resource<RequestOptions>>,
    ) -> Sent {
        let UserWorker(callee) = self.table.get(&worker)?;
        let callee = callee.clone();
        self.call(Ok(callee), request, options)
    }

    fn drop(&mut self, worker: Resource<UserWorker>) -> wasmtime::Result<()> {
        self.table.delete(worker)?;
        Ok(())
    }
}
