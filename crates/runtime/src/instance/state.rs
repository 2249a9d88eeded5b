//! The data of a store.

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

/// Bytes that the host copies out of a guest in one call, measured as they are stored in the
/// host. Enough for the longest argument, the modules of a dynamic Worker. A call with more traps
/// before it begins.
const CALL_BYTES: usize = 72 << 20;

/// Random bytes of one call. They take about a millisecond, so the guest can be interrupted in
/// between.
const RANDOM_BYTES: u64 = 1 << 20;

/// The limit for the header fields of one message that a guest makes. It is above the limit for
/// clients; fields that do not fit into an item are recorded as truncated.
const FIELD_BYTES: usize = 4 << 20;

/// The most bytes behind the entries of a guest's table between two events.
const KEPT_TABLE_BYTES: usize = 64 << 10;

/// The data of a store, which keeps its guest within the limits.
pub(crate) trait StoreData: WasiView + Sized + 'static {
    fn memory(&mut self) -> &mut MemoryLimiter;

    /// Checks the limits while the guest runs. Fails if the guest must stop.
    fn tick(&mut self) -> Result<(), CutOff>;

    /// Records that the guest is about to wait for one of this many pollables.
    fn waits(&self, pollables: usize);

    /// Records that the guest goes on, since one of them is ready.
    fn goes_on(&self);

    /// Completes once a waiting guest must stop.
    fn until_end(&self) -> impl Future<Output = ()> + Send + use<Self>;

    /// Creates a store with this data and enforces its limits.
    fn into_store(self, engine: &Engine) -> Store<Self> {
        let mut store = Store::new(engine, self);
        store.limiter(|data| data.memory());
        store.set_hostcall_fuel(CALL_BYTES);
        // The deadline of a new store is 0, which has already passed, so the guest would be
        // interrupted before it begins.
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|mut store| {
            store.data_mut().tick()?;
            Ok(UpdateDeadline::Yield(1))
        });
        store
    }
}

/// The store data of any guest.
pub(crate) struct State {
    pub(crate) current: CurrentInvocation,
    /// Everything that the Worker can reach beyond the instance.
    pub(crate) channels: Arc<dyn Channels>,
    /// The items of a tail event.
    pub(crate) events: Vec<Arc<TraceItem>>,
    pub(crate) memory: MemoryLimiter,
    pub(crate) table: ResourceTable,
    /// Whether the handler of the event has returned. If the store is dropped before, the bodies
    /// that the guest was writing have broken off.
    pub(crate) has_returned: bool,
    /// Dynamic Workers that the guest must still provide code for, by binding and id.
    pub(crate) reservations: HashMap<(String, String), Reservation>,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    pub(crate) outbound: Outbound,
}

impl State {
    /// Creates a store for one invocation of a component and enforces its limits.
    pub(crate) fn store(
        engine: &Engine,
        invocation: &Arc<Invocation>,
        channels: &Arc<dyn Channels>,
        events: Vec<Arc<TraceItem>>,
    ) -> Store<Self> {
        let current = CurrentInvocation::new(invocation);
        Self::new(invocation, current, channels, events, Invocation::write).into_store(engine)
    }

    /// Creates the data of a store that begins with an invocation. `record` records output for
    /// the current invocation.
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
        // No address is allowed anyway, but each unconnected socket would take one of the host's
        // file descriptors.
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
            has_returned: false,
            reservations: HashMap::new(),
            wasi: wasi.build(),
            http,
            outbound: Outbound::new(current.clone(), Arc::clone(channels)),
            channels: Arc::clone(channels),
            current,
        }
    }

    /// Checks the limits of the invocation and of the store, and cuts the invocation off if one
    /// is exceeded.
    pub(crate) fn look_at_limits(&mut self) -> Arc<Invocation> {
        let invocation = self.invocation();
        if invocation.cpu.is_exceeded() {
            invocation.cut(Cut::Cpu);
        }
        let weight = table::weight(&mut self.table);
        _ = invocation.charged(invocation.host_memory().weigh_table(weight));
        invocation
    }

    /// Begins a further invocation.
    pub(crate) fn begin(&mut self, invocation: &Arc<Invocation>, events: Vec<Arc<TraceItem>>) {
        self.current.set(Some(Arc::clone(invocation)));
        self.events = events;
        self.has_returned = false;
    }

    /// Ends the invocation. Returns whether the guest holds nothing that belongs to it, so that it
    /// can handle another one.
    pub(crate) fn end(&mut self) -> bool {
        let invocation = self.invocation();
        self.current.set(None);
        self.events.clear();
        self.reservations.clear();
        let may_go_on =
            self.has_returned && invocation.cut_reason().is_none() && !self.memory.refused();
        may_go_on
            && !invocation.holds_memory()
            && table::weight(&mut self.table) <= KEPT_TABLE_BYTES
            && table::belongs_to_no_event(&mut self.table)
    }

    /// Returns the invocation on whose behalf the guest runs.
    pub(crate) fn invocation(&self) -> Arc<Invocation> {
        self.current.invocation()
    }
}

impl Drop for State {
    fn drop(&mut self) {
        if !self.has_returned {
            table::abort_bodies(&mut self.table);
        }
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

    fn goes_on(&self) {}

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
