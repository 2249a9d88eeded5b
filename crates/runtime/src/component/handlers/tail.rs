//! `taffrail:workers/tail`.

use crate::component::handlers::{Exported, NotReturned, On};
use crate::interfaces::trace_item;
use crate::interfaces::types::types;
use std::sync::Arc;
use taffrail_trace::TraceItem;

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

pub(super) struct Handler(generated::HandlerIndices);

impl super::Handler for Handler {
    const EXPORTS: &'static [&'static str] = &["taffrail:workers/tail@0.2."];
    const NAME: &'static str = "tail";
    const MISSING: &'static str = "Attempted to send events but we lack a handler, did you remember to export a tail() function?";
    type Event = Vec<Arc<TraceItem>>;

    fn new(export: &str, exported: &Exported<'_>) -> wasmtime::Result<Self> {
        let indices = generated::HandlerIndices::new(exported.pre)?;
        exported.check::<(&[types::TraceItem],), ()>(export, "tail")?;
        Ok(Self(indices))
    }

    async fn call(&self, on: On<'_>, items: Self::Event) -> Result<(), NotReturned> {
        let guest = self.0.load(&mut *on.store, on.guest);
        let guest = guest.map_err(NotReturned::Host)?;
        let items = trace_item::items(&items, on.store.data_mut());
        let items = items.map_err(|error| NotReturned::Host(error.into()))?;
        let tail = guest.taffrail_workers_tail();
        let result = tail.call_tail(&mut *on.store, &items).await;
        result.map_err(NotReturned::Guest)
    }
}
