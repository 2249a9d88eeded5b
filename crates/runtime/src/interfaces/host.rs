//! The interfaces that guests may import.

use crate::instance::state::State;
use crate::interfaces::bindings::javascript::taffrail::javascript::host as javascript;
use crate::interfaces::bindings::platform::taffrail::workers::{
    analytics, dispatch, loader, services,
};
use crate::interfaces::bindings::platform::wasi::keyvalue::store as keyvalue;
use crate::interfaces::bindings::taffrail::workers::{
    console, context, diagnostics_channel, exceptions, types,
};
use crate::interfaces::bindings::wasi::logging::logging;
use crate::interfaces::convert;
use crate::invocation::CutOff;
use crate::invocation::ending::{Cut, Failure};
use crate::store::DataPoint;
use serde_json::value::{RawValue, to_raw_value};
use std::sync::Arc;
use taffrail_trace::{EventInfo, Json, LogLevel, TraceItem};
use wasmtime::component::{HasSelf, Linker, Resource};
use wasmtime::{Engine, bail};
use wasmtime_wasi::p2::bindings::io::poll;
use wasmtime_wasi_config::WasiConfig;

/// What `wasi:logging` is called by guests from before it had a version.
const UNVERSIONED_LOGGING: &str = "wasi:logging/logging";

/// Pollables that a guest may wait for at a time. Each costs the host a turn
/// whenever one of them is ready.
const POLLABLES: usize = 10_000;

/// Where a WASI 0.2 guest waits, in the version that wasmtime 48 provides.
const POLL: &str = "wasi:io/poll@0.2.12";

/// Access to the unredacted request of one item of a tail event.
#[expect(unreachable_pub, reason = "the generated code re-exports it as `pub`")]
pub struct RawRequest {
    pub(crate) item: Arc<TraceItem>,
}

/// What resolves the imports of the components that one engine compiles.
pub(crate) struct Linkers {
    /// For Workers.
    pub(crate) workers: Linker<State>,
    /// For JavaScript engines, which ask their host for what no Worker may.
    pub(crate) scripts: Linker<State>,
}

impl Linkers {
    pub(crate) fn new(engine: &Engine) -> wasmtime::Result<Self> {
        let workers = linker(engine)?;
        let mut scripts = workers.clone();
        javascript::add_to_linker::<_, HasSelf<State>>(&mut scripts, |state| state)?;
        Ok(Self { workers, scripts })
    }
}

/// A linker with everything that a Worker may import from `engine`'s
/// generation of WASI.
fn linker(engine: &Engine) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wait_with_an_end(&mut linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
    if engine.get_concurrency_support() {
        wasmtime_wasi::p3::add_to_linker(&mut linker)?;
        wasmtime_wasi_http::p3::add_to_linker(&mut linker)?;
    }
    wasmtime_wasi_config::add_to_linker(&mut linker, |state: &mut State| {
        WasiConfig::from(&*state.config)
    })?;
    logging::add_to_linker::<_, HasSelf<State>>(&mut linker, |state| state)?;
    linker.instance(UNVERSIONED_LOGGING)?.func_wrap(
        "log",
        |mut store, (level, context, message)| {
            logging::Host::log(store.data_mut(), level, context, message)
        },
    )?;
    types::add_to_linker::<_, HasSelf<State>>(&mut linker, |state| state)?;
    console::add_to_linker::<_, HasSelf<State>>(&mut linker, |state| state)?;
    diagnostics_channel::add_to_linker::<_, HasSelf<State>>(&mut linker, |state| state)?;
    exceptions::add_to_linker::<_, HasSelf<State>>(&mut linker, |state| state)?;
    context::add_to_linker::<_, HasSelf<State>>(&mut linker, |state| state)?;
    services::add_to_linker::<_, HasSelf<State>>(&mut linker, |state| state)?;
    analytics::add_to_linker::<_, HasSelf<State>>(&mut linker, |state| state)?;
    dispatch::add_to_linker::<_, HasSelf<State>>(&mut linker, |state| state)?;
    loader::add_to_linker::<_, HasSelf<State>>(&mut linker, |state| state)?;
    keyvalue::add_to_linker::<_, HasSelf<State>>(&mut linker, |state| state)?;
    Ok(linker)
}

/// Replaces the two functions in which a WASI 0.2 guest waits by ones that fail
/// when the invocation is cut off, so that a waiting guest ends with a stack.
fn wait_with_an_end(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    let mut instance = linker.instance(POLL)?;
    instance.func_wrap_async("poll", |mut store, (pollables,): (Vec<Resource<_>>,)| {
        Box::new(async move {
            if pollables.len() > POLLABLES {
                bail!(
                    "`poll` was called with {} pollables, which may be {POLLABLES} at most",
                    pollables.len()
                );
            }
            let invocation = store.data().invocation();
            if let Some(script) = &store.data().outbound.script
                && script.waits_for_nothing_else(pollables.len())
                && script.idle.take()
            {
                match store.data().memory.refused() {
                    // The engine goes on without what it had no memory for.
                    true => invocation.cut(Cut::Memory),
                    false => script.idle.raise(),
                }
            }
            let until_end = store.data().until_end();
            tokio::select! {
                biased;
                ready = poll::Host::poll(&mut store.data_mut().table, pollables) => Ok((ready?,)),
                () = until_end => Err(CutOff.into()),
            }
        })
    })?;
    instance.func_wrap_async("[method]pollable.block", |mut store, (pollable,)| {
        Box::new(async move {
            let until_end = store.data().until_end();
            tokio::select! {
                biased;
                ready = poll::HostPollable::block(&mut store.data_mut().table, pollable) => ready,
                () = until_end => Err(CutOff.into()),
            }
        })
    })?;
    linker.allow_shadowing(false);
    Ok(())
}

impl analytics::Host for State {
    async fn write_data_point(
        &mut self,
        binding: String,
        point: analytics::DataPoint,
    ) -> wasmtime::Result<Result<(), String>> {
        let point = DataPoint {
            blobs: point.blobs,
            doubles: point.doubles,
            indexes: point.indexes,
        };
        let invocation = self.invocation();
        Ok(crate::interfaces::analytics::write(&invocation, &binding, point).await)
    }
}

impl console::Host for State {
    fn log(&mut self, level: types::LogLevel, message: Vec<String>) -> wasmtime::Result<()> {
        let invocation = self.invocation();
        if !invocation.refuses_log(&message) {
            invocation.log(convert::log_level(level), arguments(message)?, None);
        }
        Ok(())
    }

    fn log_errors(
        &mut self,
        level: types::LogLevel,
        message: Vec<String>,
        error_info: Vec<Option<types::ErrorInfo>>,
    ) -> wasmtime::Result<()> {
        let invocation = self.invocation();
        if !invocation.refuses_log(&message) {
            let errors = error_info
                .into_iter()
                .map(|slot| slot.map(convert::traced_error))
                .collect();
            invocation.log(convert::log_level(level), arguments(message)?, Some(errors));
        }
        Ok(())
    }
}

impl diagnostics_channel::Host for State {
    fn publish(&mut self, channel: String, message: Option<String>) -> wasmtime::Result<()> {
        let message = message.map(json_or_string).transpose()?;
        self.invocation().diagnostics(channel, message);
        Ok(())
    }
}

fn arguments(message: Vec<String>) -> serde_json::Result<Vec<Json>> {
    message.into_iter().map(json_or_string).collect()
}

/// The JSON that `text` is, or else `text` as a JSON string.
fn json_or_string(text: String) -> serde_json::Result<Json> {
    match RawValue::from_string(text.clone()) {
        Ok(json) if json.get().contains(['\n', '\r']) => {
            // Line breaks of JSON stand between its tokens only. An item is to
            // fit on one line.
            RawValue::from_string(text.replace(['\n', '\r'], " "))
        }
        Ok(json) => Ok(json),
        Err(_) => to_raw_value(&text),
    }
}

impl logging::Host for State {
    fn log(
        &mut self,
        level: logging::Level,
        context: String,
        message: String,
    ) -> wasmtime::Result<()> {
        let level = match level {
            logging::Level::Trace | logging::Level::Debug => LogLevel::Debug,
            logging::Level::Info => LogLevel::Info,
            logging::Level::Warn => LogLevel::Warn,
            logging::Level::Error | logging::Level::Critical => LogLevel::Error,
        };
        let texts = if context.is_empty() {
            vec![message]
        } else {
            vec![context, message]
        };
        let invocation = self.invocation();
        if !invocation.refuses_log(&texts) {
            let arguments = texts.iter().map(to_raw_value).collect::<Result<_, _>>()?;
            invocation.log(level, arguments, None);
        }
        Ok(())
    }
}

impl exceptions::Host for State {
    fn report(&mut self, failure: exceptions::Failure) -> wasmtime::Result<()> {
        self.invocation().exception(failure.into(), false);
        Ok(())
    }

    fn uncaught(&mut self, failure: exceptions::Failure) -> wasmtime::Result<()> {
        self.invocation().exception(failure.into(), true);
        Ok(())
    }
}

impl From<exceptions::Failure> for Failure {
    fn from(failure: exceptions::Failure) -> Self {
        Self {
            name: failure.name,
            message: failure.message,
            stack: failure.stack,
        }
    }
}

impl context::Host for State {
    fn props(&mut self) -> wasmtime::Result<String> {
        Ok(match &self.invocation().via.target {
            Some(target) => serde_json::to_string(&target.props)?,
            None => "{}".to_owned(),
        })
    }

    fn invocation_id(&mut self) -> wasmtime::Result<String> {
        Ok(self.invocation().id.clone())
    }

    fn entrypoint(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(self.invocation().via.entrypoint().map(ToOwned::to_owned))
    }

    fn events_json(&mut self) -> wasmtime::Result<String> {
        let events: Vec<&TraceItem> = self.events.iter().map(AsRef::as_ref).collect();
        Ok(serde_json::to_string(&events)?)
    }
}

impl types::Host for State {}

impl types::HostRawRequest for State {
    fn get_unredacted(
        &mut self,
        request: Resource<RawRequest>,
    ) -> wasmtime::Result<types::TailRequest> {
        match &self.table.get(&request)?.item.event {
            Some(EventInfo::Fetch { request, .. }) => {
                Ok(convert::tail_request(request.unredacted()))
            }
            _ => wasmtime::bail!("only a fetch event has a request"),
        }
    }

    fn drop(&mut self, request: Resource<RawRequest>) -> wasmtime::Result<()> {
        self.table.delete(request)?;
        Ok(())
    }
}
