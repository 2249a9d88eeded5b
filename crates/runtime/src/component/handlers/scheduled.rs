//! `taffrail:workers/scheduled`: cron triggers.

use crate::component::debug_file::DebugFile;
use crate::component::failure::instantiation_failed;
use crate::component::handlers::returned;
use crate::instance::state::State;
use crate::interfaces::types::types::ScheduledEvent;
use crate::invocation::ending::Call;
use wasmtime::Store;

mod generated {
    wasmtime::component::bindgen!({
        inline: "
            package taffrail:host;
            world handler { export taffrail:workers/scheduled@0.2.0; }
        ",
        path: "../../wit",
        exports: { default: async },
        with: { "taffrail:workers/types": crate::interfaces::types::generated::taffrail::workers::types },
    });
}

pub(crate) const EXPORT: &str = "taffrail:workers/scheduled@0.2.";

pub(crate) type Pre = generated::HandlerPre<State>;

pub(crate) async fn call(
    pre: &Pre,
    store: &mut Store<State>,
    debug: Option<&DebugFile>,
    cron: String,
    scheduled_time: u64,
) -> Call {
    let guest = match pre.instantiate_async(&mut *store).await {
        Ok(guest) => guest,
        Err(error) => return instantiation_failed(&error, store.data(), debug),
    };
    let event = ScheduledEvent {
        cron,
        scheduled_time,
    };
    let scheduled = guest.taffrail_workers_scheduled();
    let result = scheduled.call_scheduled(&mut *store, &event).await;
    returned(&result, debug)
}
