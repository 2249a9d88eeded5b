//! `taffrail:workers/scheduled`: cron triggers.

use crate::component::failure::instantiation_failed;
use crate::component::handlers::{On, returned};
use crate::event::Scheduled;
use crate::instance::state::State;
use crate::interfaces::types::types::ScheduledEvent;
use crate::invocation::ending::Call;
use wasmtime::component::InstancePre;

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

pub(super) struct Handler(generated::HandlerPre<State>);

impl super::Handler for Handler {
    const EXPORTS: &'static [&'static str] = &["taffrail:workers/scheduled@0.2."];
    const NAME: &'static str = "scheduled";
    const MISSING: &'static str = "Received a ScheduledEvent but we lack a handler for ScheduledEvents (a.k.a. Cron Triggers). Did you remember to export a scheduled() function?";
    type Event = Scheduled;

    fn new(_: &str, pre: InstancePre<State>) -> wasmtime::Result<Self> {
        generated::HandlerPre::new(pre).map(Self)
    }

    async fn call(&self, on: On<'_>, event: Scheduled) -> Call {
        let guest = match self.0.instantiate_async(&mut *on.store).await {
            Ok(guest) => guest,
            Err(error) => return instantiation_failed(&error, on.store.data(), on.debug),
        };
        let event = ScheduledEvent {
            cron: event.cron,
            scheduled_time: event.scheduled_time,
        };
        let scheduled = guest.taffrail_workers_scheduled();
        let result = scheduled.call_scheduled(&mut *on.store, &event).await;
        returned(&result, on.debug)
    }
}
