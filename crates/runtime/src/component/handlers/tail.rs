//! `taffrail:workers/tail`.

use crate::component::debug_file::DebugFile;
use crate::component::failure::instantiation_failed;
use crate::component::handlers::returned;
use crate::instance::state::State;
use crate::interfaces::trace_item;
use crate::invocation::ending::Call;
use wasmtime::Store;

mod generated {
    wasmtime::component::bindgen!({
        inline: "
            package taffrail:host;
            world handler { export taffrail:workers/tail@0.2.0; }
        ",
        path: "../../wit",
        exports: { default: async },
        with: { "taffrail:workers/types": crate::interfaces::types::generated::taffrail::workers::types },
    });
}

pub(crate) const EXPORT: &str = "taffrail:workers/tail@0.2.";

pub(crate) type Pre = generated::HandlerPre<State>;

pub(crate) async fn call(pre: &Pre, store: &mut Store<State>, debug: Option<&DebugFile>) -> Call {
    let guest = match pre.instantiate_async(&mut *store).await {
        Ok(guest) => guest,
        Err(error) => return instantiation_failed(&error, store.data(), debug),
    };
    let events = match trace_item::events(store.data_mut()) {
        Ok(events) => events,
        Err(error) => return Call::HostFailed(format!("{error:#}")),
    };
    let tail = guest.taffrail_workers_tail();
    let result = tail.call_tail(&mut *store, &events).await;
    returned(&result, debug)
}
