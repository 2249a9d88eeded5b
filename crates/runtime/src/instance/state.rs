//! What a store holds while it runs one invocation.

use crate::channels::Channels;
use crate::instance::outbound::Outbound;
use crate::instance::output::Output;
use crate::instance::table;
use crate::invocation::current::Current;
use crate::invocation::ending::Cut;
use crate::invocation::limits::MemoryLimiter;
use crate::invocation::lines::Stream;
use crate::invocation::{CutOff, Invocation};
use std::sync::Arc;
use taffrail_trace::TraceItem;
use wasmtime::component::ResourceTable;
use wasmtime::{Engine, Store, UpdateDeadline};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

/// Bytes that the host copies out of a guest in one call, counted as they lie in
/// the host: the longest argument there is, the modules of a dynamic Worker, and
/// what goes with it. A call with more traps before it begins.
const CALL_BYTES: usize = 72 << 20;

/// Random bytes of one call: what takes about a millisecond, so that the guest can
/// be interrupted in between.
const RANDOM_BYTES: u64 = 1 << 20;

/// Bytes of the header fields of one message, for a guest: more than a client
/// may send, and what does not fit into an item is recorded as such.
const FIELD_BYTES: usize = 4 << 20;

/// What runs in an instance.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Guest {
    /// A component.
    Component,
    /// The JavaScript engine, whose scripts have a console of their own.
    Engine,
}

/// The data of a store.
pub(crate) struct State {
    pub(crate) current: Current,
    /// What the Worker can reach beyond the instance.
    pub(crate) channels: Arc<dyn Channels>,
    /// The events of a tail invocation.
    pub(crate) events: Vec<Arc<TraceItem>>,
    pub(crate) memory: MemoryLimiter,
    pub(crate) table: ResourceTable,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    pub(crate) outbound: Outbound,
}

impl State {
    /// A store for one invocation, with its limits in force.
    pub(crate) fn store(
        engine: &Engine,
        invocation: &Arc<Invocation>,
        channels: &Arc<dyn Channels>,
        guest: Guest,
        events: Vec<Arc<TraceItem>>,
    ) -> Store<Self> {
        let settings = &invocation.worker.settings;
        let current = Current::new(invocation);
        let output = |stream| Output {
            stream,
            current: current.clone(),
            of_engine: guest == Guest::Engine,
        };
        let mut wasi = WasiCtx::builder();
        wasi.stdout(output(Stream::Stdout));
        wasi.stderr(output(Stream::Stderr));
        wasi.max_random_size(RANDOM_BYTES);
        // No address is allowed anyway, and a socket without one is a file
        // descriptor of the host's.
        wasi.allow_tcp(false).allow_udp(false);
        for (name, value) in settings.text_vars() {
            wasi.env(name, value);
        }
        let mut http = WasiHttpCtx::new();
        http.set_field_size_limit(FIELD_BYTES);
        let mut store = Store::new(
            engine,
            Self {
                events,
                memory: MemoryLimiter::new(settings.limits.memory),
                table: ResourceTable::new(),
                wasi: wasi.build(),
                http,
                outbound: Outbound::new(current.clone(), Arc::clone(channels)),
                channels: Arc::clone(channels),
                current,
            },
        );
        store.limiter(|state| &mut state.memory);
        store.set_hostcall_fuel(CALL_BYTES);
        // A new store's deadline is 0, which has passed: the guest would be
        // interrupted before it begins.
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|mut store| {
            store.data_mut().tick()?;
            Ok(UpdateDeadline::Yield(1))
        });
        store
    }

    /// Looks at the limits while the guest runs. Fails when it is to end.
    fn tick(&mut self) -> Result<(), CutOff> {
        let invocation = self.invocation();
        if invocation.cpu.is_exceeded() {
            invocation.cut(Cut::Cpu);
        }
        let weight = table::weight(&mut self.table);
        _ = invocation.charged(invocation.host_memory().weigh_table(weight));
        let events = self.outbound.script.as_ref().map(|script| &script.events);
        let ends_guest = match (events, invocation.is_cut()) {
            (None, _) | (_, Some(Cut::Cpu | Cut::Memory)) => true,
            // The script is told, and lives on.
            (_, Some(Cut::ClientLeft)) => false,
            // One of several events of an isolate cannot be cut out of it.
            (Some(events), _) => events.is_alone(&invocation),
        };
        if ends_guest {
            invocation.go_on()?;
        }
        match events {
            Some(events) if events.is_forsaken() => Err(CutOff),
            _ => Ok(()),
        }
    }

    /// Ready once a guest that waits is to end: with its invocation, or, for a
    /// script, with all that its isolate runs.
    pub(crate) fn until_end(&self) -> impl Future<Output = ()> + Send + use<> {
        let events = self.outbound.script.as_ref();
        let events = events.map(|script| Arc::clone(&script.events));
        let invocation = self.invocation();
        async move {
            match events {
                Some(events) => {
                    drop(invocation);
                    events.until_doomed().await;
                }
                None => invocation.until_cut().await,
            }
        }
    }

    /// The invocation on whose behalf the guest runs.
    pub(crate) fn invocation(&self) -> Arc<Invocation> {
        self.current.invocation()
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView {
            ctx: &mut self.http,
            table: &mut self.table,
            hooks: &mut self.outbound,
        }
    }
}
