//! `taffrail:workers/queue`: batches of messages.

use crate::component::handlers::{Exported, NotReturned, On};
use crate::event::{Queue, QueueMessage};
use crate::interfaces::trace_item::json;
use generated::exports::taffrail::workers::queue::Message;

mod generated {
    wasmtime::component::bindgen!({
        inline: "
            package taffrail:host;
            world handler { export taffrail:workers/queue@0.2.0; }
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
    const EXPORTS: &'static [&'static str] = &["taffrail:workers/queue@0.2."];
    const NAME: &'static str = "queue";
    const MISSING: &'static str = "Received a QueueEvent but we lack a handler for QueueEvents. Did you remember to export a queue() function?";
    type Event = Queue;

    fn new(export: &str, exported: &Exported<'_>) -> wasmtime::Result<Self> {
        let indices = generated::HandlerIndices::new(exported.pre)?;
        exported.check::<(&str, &[Message]), ()>(export, "queue")?;
        Ok(Self(indices))
    }

    async fn call(&self, on: On<'_>, event: Queue) -> Result<(), NotReturned> {
        let guest = self.0.load(&mut *on.store, on.guest);
        let guest = guest.map_err(NotReturned::Host)?;
        let messages: Vec<_> = event.messages.into_iter().map(message).collect();
        let consumer = guest.taffrail_workers_queue();
        let result = consumer
            .call_queue(&mut *on.store, &event.queue, &messages)
            .await;
        result.map_err(NotReturned::Guest)
    }
}

fn message(message: QueueMessage) -> Message {
    Message {
        body: json(&message.body),
        id: message.id,
        timestamp: message.timestamp,
        attempts: message.attempts,
    }
}
