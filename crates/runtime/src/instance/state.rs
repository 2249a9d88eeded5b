//! What a store holds while it runs one invocation.

use crate::channels::Channels;
use crate::channels::dynamic::Reservation;
use crate::instance::outbound::Outbound;
use crate::instance::output::{Output, Record};
use crate::instance::table;
use crate::invocation::current::CurrentInvocation;
use crate::invocation::ending::Cut;
use crate::invocation::limits::MemoryLimiter;
use crate::invocation::lines::Stream;
use crate::invocation::{CutOff, Invocation};
use std::collections::HashMap;
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

/// The data of a store, by which its guest is kept within its limits.
pub(crate) trait StoreData: WasiView + Sized + 'static {
    fn memory(&mut self) -> &mut MemoryLimiter;

    /// Looks at the limits while the guest runs. Fails when it is to end.
    fn tick(&mut self) -> Result<(), CutOff>;

    /// Notes that the guest is to wait until one of so many pollables is ready.
    fn waits(&self, pollables: usize);

    /// Ready once a guest that waits is to end.
    fn until_end(&self) -> impl Future<Output = ()> + Send + use<Self>;

    /// A store with this data and its limits in force.
    fn into_store(self, engine: &Engine) -> Store<Self> {
        let mut store = Store::new(engine, self);
        store.limiter(|data| data.memory());
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
}

/// What a store holds for any guest.
pub(crate) struct State {
    pub(crate) current: CurrentInvocation,
    /// What the Worker can reach beyond the instance.
    pub(crate) channels: Arc<dyn Channels>,
    /// The events of a tail invocation.
    pub(crate) events: Vec<Arc<TraceItem>>,
    pub(crate) memory: MemoryLimiter,
    pub(crate) table: ResourceTable,
    /// Dynamic Workers whose code the guest has yet to give, by binding and id.
    pub(crate) reservations: HashMap<(String, String), Reservation>,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    pub(crate) outbound: Outbound,
}

impl State {
    /// A store for one invocation of a component, with its limits in force.
    pub(crate) fn store(
        engine: &Engine,
        invocation: &Arc<Invocation>,
        channels: &Arc<dyn Channels>,
        events: Vec<Arc<TraceItem>>,
    ) -> Store<Self> {
        let current = CurrentInvocation::new(invocation);
        Self::new(invocation, current, channels, events, Invocation::write).into_store(engine)
    }

    /// What a store holds that begins with an invocation. `record` records its
    /// output for the one that is current.
    pub(crate) fn new(
        invocation: &Invocation,
        current: CurrentInvocation,
        channels: &Arc<dyn Channels>,
        events: Vec<Arc<TraceItem>>,
        record: Record,
    ) -> Self {
        let settings = &invocation.worker.settings;
        let output = |stream| Output {
            stream,
            current: current.clone(),
            record,
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
        Self {
            events,
            memory: MemoryLimiter::new(settings.limits.memory),
            table: ResourceTable::new(),
            reservations: HashMap::new(),
            wasi: wasi.build(),
            http,
            outbound: Outbound::new(current.clone(), Arc::clone(channels)),
            channels: Arc::clone(channels),
            current,
        }
    }

    /// Looks at the limits of the invocation and of the store, and cuts the
    /// invocation off that is over one.
    pub(crate) fn look_at_limits(&mut self) -> Arc<Invocation> {
        let invocation = self.invocation();
        if invocation.cpu.is_exceeded() {
            invocation.cut(Cut::Cpu);
        }
        let weight = table::weight(&mut self.table);
        _ = invocation.charged(invocation.host_memory().weigh_table(weight));
        invocation
    }

    /// The invocation on whose behalf the guest runs.
    pub(crate) fn invocation(&self) -> Arc<Invocation> {
        self.current.invocation()
    }
}

impl StoreData for State {
    fn memory(&mut self) -> &mut MemoryLimiter {
        &mut self.memory
    }

    fn tick(&mut self) -> Result<(), CutOff> {
        self.look_at_limits().check_cut()
    }

    fn waits(&self, _: usize) {}

    fn until_end(&self) -> impl Future<Output = ()> + Send + use<> {
        let invocation = self.invocation();
        async move { invocation.until_cut().await }
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
