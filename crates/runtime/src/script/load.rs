//! A script's requests for dynamic Workers.

use crate::channels::Channels;
use crate::channels::dispatch::LimitsJson;
use crate::channels::dynamic::{Lookup, Module, Modules, Plan};
use crate::channels::failed::CallFailed;
use crate::channels::loader;
use crate::channels::spans::loader_span;
use crate::invocation::Invocation;
use crate::script::callee::Referred;
use crate::script::run::Run;
use crate::settings::egress::Egress;
use crate::settings::identity::WorkerId;
use crate::settings::{Binding, Target, WorkerSettings};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use taffrail_trace::SpanId;

/// A request, as sent by the script.
#[derive(Deserialize)]
pub(super) struct Load {
    loader: String,
    /// `None` makes a new Worker each time.
    id: Option<String>,
    /// Whether the body is the code. If not, the request asks whether the code is needed.
    #[serde(default)]
    code: bool,
}

/// The result of the script's callback: the code, or the exception that it threw.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum Body {
    Code(Box<Code>),
    Failed(CallFailed),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Code {
    main_module: String,
    modules: BTreeMap<String, ModuleJson>,
    #[serde(default)]
    vars: BTreeMap<String, Value>,
    #[serde(default)]
    services: BTreeMap<String, Referred>,
    #[serde(default)]
    tails: Vec<Referred>,
    #[serde(default)]
    streaming_tails: Vec<Referred>,
    #[serde(default)]
    limits: LimitsJson,
    /// `null` permits no outgoing requests. If it is missing, the maker's own egress applies.
    #[serde(default, deserialize_with = "present")]
    global_outbound: Option<Option<Referred>>,
}

fn present<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Option<Referred>>, D::Error> {
    Deserialize::deserialize(deserializer).map(Some)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum ModuleJson {
    Js(String),
    Cjs(String),
    Text(String),
    Json(Value),
    /// In base64, like the next one.
    Data(String),
    Wasm(String),
}

/// Answers with the handle of the Worker, or with `null` if its code is needed.
pub(super) async fn answer(
    channels: &dyn Channels,
    Run {
        invocation: caller,
        exchange,
    }: &Run,
    within: SpanId,
    load: Load,
    body: &[u8],
) -> Result<Value, CallFailed> {
    let binding = load.loader;
    loader::check_binding(caller, &binding)?;
    let operation = match load.code {
        true => "loader_load",
        false => "loader_get",
    };
    let span = loader_span(caller, within, operation, &binding, load.id.as_deref());
    if !load.code {
        let id = load.id.unwrap_or_default();
        let found = channels.find_dynamic(&binding, &id).await;
        span.end(found.is_ok());
        return match found? {
            Lookup::Made(worker) => Ok(handle(&worker)),
            Lookup::Vacant(reservation) => {
                exchange.reserve(binding, id, reservation);
                Ok(Value::Null)
            }
        };
    }
    let reservation = load
        .id
        .and_then(|id| exchange.take_reservation(binding, id));
    let plan = match serde_json::from_slice(body) {
        Ok(Body::Code(code)) => code.plan(caller),
        Ok(Body::Failed(failed)) => Err(failed),
        Err(error) => Err(CallFailed::new(format!(
            "The code of the dynamic Worker is malformed: {error}."
        ))),
    };
    let made = loader::make(channels, caller, reservation, plan).await;
    span.end(made.is_ok());
    Ok(handle(&made?))
}

fn handle(worker: &WorkerId) -> Value {
    json!(worker.handle())
}

impl Code {
    fn plan(self, caller: &Invocation) -> Result<Plan, CallFailed> {
        let own = &caller.worker.settings;
        let mut bindings = BTreeMap::new();
        for (name, callee) in self.services {
            bindings.insert(name, Binding::Service(callee.into_target(caller)?));
        }
        let outbound = match self.global_outbound {
            None => None,
            Some(None) => Some(None),
            Some(Some(callee)) => Some(Some(Egress::Worker(callee.into_target(caller)?))),
        };
        let targets = |tails: Vec<Referred>| -> Result<Vec<Target>, CallFailed> {
            let tails = tails.into_iter();
            tails.map(|tail| tail.into_target(caller)).collect()
        };
        let modules = self.modules.into_iter().map(|(name, module)| {
            let module = module.decoded(&name)?;
            Ok((name, module))
        });
        Ok(Plan {
            settings: WorkerSettings {
                vars: self.vars,
                bindings,
                tail_consumers: targets(self.tails)?,
                streaming_tail_consumers: targets(self.streaming_tails)?,
                egress: loader::egress(caller, outbound),
                limits: self.limits.within(&own.limits),
                ..WorkerSettings::new("")
            },
            modules: Modules {
                main: self.main_module,
                modules: modules.collect::<Result<_, CallFailed>>()?,
            },
        })
    }
}

impl ModuleJson {
    fn decoded(self, name: &str) -> Result<Module, CallFailed> {
        let bytes = |text: String| {
            BASE64_STANDARD
                .decode(text)
                .map_err(|_| CallFailed::new(format!("The module `{name}` is malformed.")))
        };
        Ok(match self {
            Self::Js(text) => Module::Js(text),
            Self::Cjs(text) => Module::CommonJs(text),
            Self::Text(text) => Module::Text(text),
            Self::Json(value) => Module::Json(value),
            Self::Data(text) => Module::Data(bytes(text)?),
            Self::Wasm(text) => Module::Wasm(bytes(text)?),
        })
    }
}
