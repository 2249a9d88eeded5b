//! `taffrail:workers/tail`.

use crate::component::failure::instantiation_failed;
use crate::component::handlers::{On, returned};
use crate::instance::state::State;
use crate::interfaces::trace_item;
use crate::invocation::ending::Call;
use std::sync::Arc;
use taffrail_trace::TraceItem;
use wasmtime::component::InstancePre;

mod generated {
    wasmtime::component::bindgen!({
        inline: "
            package taffrail:host;
            world handler { export taffrail:workers/tail@0.2.0; }
        ",
        path: "../../wit",
        exports: { default: async },
        with: {
            "taffrail:workers/types": crate::interfaces::types::generated::taffrail::workers::types,
        },
    });
}

pub(super) struct Handler(generated::HandlerPre<State>);

impl super::Handler for Handler {
    const EXPORTS: &'static [&'static str] = &["taffrail:workers/tail@0.2."];
    const NAME: &'static str = "tail";
    const MISSING: &'static str = "Attempted to send events but we lack a handler, did you remember to export a tail() function?";
    type Event = Vec<Arc<TraceItem>>;

    fn new(_: &str, pre: InstancePre<State>) -> wasmtime::Result<Self> {
        generated::HandlerPre::new(pre).map(Self)
    }

    async fn call(&self, on: On<'_>, items: Self::Event) -> Call {
        let guest = match self.0.instantiate_async(&mut *on.store).await {
            Ok(guest) => guest,
            Err(error) => return instantiation_failed(&error, on.store.data(), on.debug),
        };
        let items = match trace_item::items(&items, on.store.data_mut()) {
            Ok(items) => items,
            Err(error) => return Call::HostFailed(format!("{error:#}")),
        };
        let tail = guest.taffrail_workers_tail();
        let result = tail.call_tail(&mut *on.store, &items).await;
        returned(&result, on.debug)
    }
}
