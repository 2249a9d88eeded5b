//! `taffrail:workers/scheduled`: cron triggers.

use crate::component::handlers::{Exported, NotReturned, On};
use crate::event::Scheduled;
use crate::interfaces::types::types::ScheduledEvent;

mod generated {
    wasmtime::component::bindgen!({
        inline: "
            package taffrail:host;
            world handler { export taffrail:workers/scheduled@0.2.0; }
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
    const EXPORTS: &'static [&'static str] = &["taffrail:workers/scheduled@0.2."];
    const NAME: &'static str = "scheduled";
    const MISSING: &'static str = "Received a ScheduledEvent but we lack a handler for ScheduledEvents (a.k.a. Cron Triggers). Did you remember to export a scheduled() function?";
    type Event = Scheduled;

    fn new(export: &str, exported: &Exported<'_>) -> wasmtime::Result<Self> {
        let indices = generated::HandlerIndices::new(exported.pre)?;
        exported.check::<(ScheduledEvent,), ()>(export, "scheduled")?;
        Ok(Self(indices))
    }

    async fn call(&self, on: On<'_>, event: Scheduled) -> Result<(), NotReturned> {
        let guest = self.0.load(&mut *on.store, on.guest);
        let guest = guest.map_err(NotReturned::Host)?;
        let event = ScheduledEvent {
            cron: event.cron,
            scheduled_time: event.scheduled_time,
        };
        let scheduled = guest.taffrail_workers_scheduled();
        let result = scheduled.call_scheduled(&mut *on.store, &event).await;
        result.map_err(NotReturned::Guest)
    }
}
