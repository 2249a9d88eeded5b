//! `taffrail:workers/loader`: dynamic Workers.

use crate::channels::call::{Callee, of_binding};
use crate::channels::dispatch::LimitsJson;
use crate::channels::dynamic::{Lookup, Module, Modules, Plan};
use crate::channels::failed::CallFailed;
use crate::channels::loader::{check_binding, egress, make};
use crate::channels::spans::loader_span;
use crate::instance::state::State;
use crate::interfaces::services::Sent;
use crate::invocation::Invocation;
use crate::invocation::session;
use crate::settings::egress::Egress;
use crate::settings::identity::WorkerId;
use crate::settings::{Target, WorkerSettings};
use generated::taffrail::workers::loader;
use generated::taffrail::workers::loader::{Code, Outbound, Source};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::timeout;
use wasmtime::component::{HasSelf, Linker, Resource};
use wasmtime_wasi_http::RequestOptions;
use wasmtime_wasi_http::p2::bindings::http::types::ErrorCode;
use wasmtime_wasi_http::p2::types::{HostFutureIncomingResponse, HostOutgoingRequest};

mod generated {
    wasmtime::component::bindgen!({
        interfaces: "import taffrail:workers/loader@0.2.0;",
        path: "../../wit",
        imports: {
            "taffrail:workers/loader.find": async | trappable,
            "taffrail:workers/loader.load": async | trappable,
            "taffrail:workers/loader.[method]records.next": async | trappable,
            default: trappable,
        },
        require_store_data_send: true,
        with: {
            "wasi:http": wasmtime_wasi_http::p2::bindings::http,
            "wasi:io": wasmtime_wasi::p2::bindings::io,
            "wasi:clocks": wasmtime_wasi::p2::bindings::clocks,
            "taffrail:workers/types": crate::interfaces::types::generated::taffrail::workers::types,
            "taffrail:workers/loader.dynamic-worker": crate::interfaces::loader::DynamicWorker,
            "taffrail:workers/loader.records": crate::interfaces::loader::Records,
        },
    });
}

/// A dynamic Worker that a component may call.
#[expect(unreachable_pub, reason = "the generated code re-exports it as `pub`")]
pub struct DynamicWorker(WorkerId);

/// The records of one invocation of a dynamic Worker.
#[expect(unreachable_pub, reason = "the generated code re-exports it as `pub`")]
pub struct Records(session::Receiver);

/// The name of the component among a dynamic Worker's modules.
const MAIN: &str = "main.wasm";

pub(super) fn add_to_linker<T: Send + 'static>(
    linker: &mut Linker<T>,
    state: fn(&mut T) -> &mut State,
) -> wasmtime::Result<()> {
    loader::add_to_linker::<_, HasSelf<State>>(linker, state)
}

impl loader::Host for State {
    async fn find(
        &mut self,
        binding: String,
        id: String,
    ) -> wasmtime::Result<Result<Option<Resource<DynamicWorker>>, String>> {
        let caller = self.invocation();
        let found = match check_binding(&caller, &binding) {
            Ok(()) => {
                let within = caller.current_span();
                let span = loader_span(&caller, within, "loader_get", &binding, Some(&id));
                let found = self.channels.find_dynamic(&binding, &id).await;
                span.end(found.is_ok());
                found
            }
            Err(failed) => Err(failed),
        };
        Ok(match found {
            Ok(Lookup::Made(worker)) => Ok(Some(self.table.push(DynamicWorker(worker))?)),
            Ok(Lookup::Vacant(reservation)) => {
                self.reservations.insert((binding, id), reservation);
                Ok(None)
            }
            Err(failed) => Err(failed.message),
        })
    }

    async fn load(
        &mut self,
        binding: String,
        id: Option<String>,
        code: Code,
    ) -> wasmtime::Result<Result<Resource<DynamicWorker>, String>> {
        let caller = self.invocation();
        if let Err(failed) = check_binding(&caller, &binding) {
            return Ok(Err(failed.message));
        }
        let within = caller.current_span();
        let span = loader_span(&caller, within, "loader_load", &binding, id.as_deref());
        let reservation = id.and_then(|id| self.reservations.remove(&(binding, id)));
        let made = make(&*self.channels, &caller, reservation, plan(&caller, code)).await;
        span.end(made.is_ok());
        Ok(match made {
            Ok(worker) => Ok(self.table.push(DynamicWorker(worker))?),
            Err(failed) => Err(failed.message),
        })
    }
}

fn plan(caller: &Invocation, code: Code) -> Result<Plan, CallFailed> {
    let own = &caller.worker.settings;
    let json = |name: &str, text: &str| {
        serde_json::from_str(text)
            .map_err(|error| CallFailed::new(format!("`{name}` is not JSON: {error}")))
    };
    let mut vars = BTreeMap::new();
    for (name, value) in code.vars {
        let value = json(&name, &value)?;
        vars.insert(name, value);
    }
    let mut tails = Vec::new();
    for props in code.tails {
        let serde_json::Value::Object(props) = json("tails", &props)? else {
            return Err(CallFailed::new(
                "`tails` has `props` that are not an object",
            ));
        };
        tails.push(Target {
            props: props.into(),
            ..Target::from(caller.worker.id.clone())
        });
    }
    let outbound = match code.outbound {
        Outbound::Inherit => None,
        Outbound::None => Some(None),
        Outbound::Service(binding) => Some(Some(Egress::Worker(of_binding(caller, &binding)?))),
    };
    let limits = LimitsJson {
        cpu_ms: code.cpu_ms,
        sub_requests: code.subrequests,
    };
    Ok(Plan {
        settings: WorkerSettings {
            vars,
            tail_consumers: tails,
            egress: egress(caller, outbound),
            limits: limits.within(&own.limits),
            ..WorkerSettings::new("")
        },
        modules: modules(code.source),
    })
}

fn modules(source: Source) -> Modules {
    match source {
        Source::Component(bytes) => Modules {
            main: MAIN.to_owned(),
            modules: BTreeMap::from([(MAIN.to_owned(), Module::Wasm(bytes))]),
        },
        Source::Script(script) => {
            let modules = script.modules.into_iter();
            Modules {
                main: script.main_module,
                modules: modules
                    .map(|(name, text)| (name, Module::Js(text)))
                    .collect(),
            }
        }
    }
}

impl loader::HostDynamicWorker for State {
    fn fetch(
        &mut self,
        worker: Resource<DynamicWorker>,
        request: Resource<HostOutgoingRequest>,
        options: Option<Resource<RequestOptions>>,
    ) -> Sent {
        let DynamicWorker(worker) = self.table.get(&worker)?;
        let callee = Callee::from(Target::from(worker.clone()));
        self.call(Ok(callee), request, options)
    }

    fn fetch_observed(
        &mut self,
        worker: Resource<DynamicWorker>,
        request: Resource<HostOutgoingRequest>,
        options: Option<Resource<RequestOptions>>,
    ) -> wasmtime::Result<
        Result<(Resource<HostFutureIncomingResponse>, Resource<Records>), ErrorCode>,
    > {
        let (live, records) = session::channel(session::LIVE_BYTES);
        let DynamicWorker(worker) = self.table.get(&worker)?;
        let callee = Callee {
            live: Some(live),
            ..Callee::from(Target::from(worker.clone()))
        };
        match self.call(Ok(callee), request, options)? {
            Ok(response) => Ok(Ok((response, self.table.push(Records(records))?))),
            Err(code) => Ok(Err(code)),
        }
    }

    fn drop(&mut self, worker: Resource<DynamicWorker>) -> wasmtime::Result<()> {
        self.table.delete(worker)?;
        Ok(())
    }
}

impl loader::HostRecords for State {
    async fn next(
        &mut self,
        records: Resource<Records>,
        timeout_ms: u32,
    ) -> wasmtime::Result<Option<String>> {
        let Records(records) = self.table.get_mut(&records)?;
        let limit = Duration::from_millis(timeout_ms.into());
        Ok(timeout(limit, records.next()).await.ok().flatten())
    }

    fn drop(&mut self, records: Resource<Records>) -> wasmtime::Result<()> {
        self.table.delete(records)?;
        Ok(())
    }
}
