//! `taffrail:workers/queue`: batches of messages.

use crate::component::debug_file::DebugFile;
use crate::component::failure::instantiation_failed;
use crate::component::handlers::returned;
use crate::event::QueueMessage;
use crate::instance::state::State;
use crate::interfaces::trace_item::json;
use crate::invocation::ending::Call;
use generated::exports::taffrail::workers::queue::Message;
use wasmtime::Store;

mod generated {
    wasmtime::component::bindgen!({
        inline: "
            package taffrail:host;
            world handler { export taffrail:workers/queue@0.2.0; }
        ",
        path: "../../wit",
        exports: { default: async },
        with: { "taffrail:workers/types": crate::interfaces::types::generated::taffrail::workers::types },
    });
}

pub(crate) const EXPORT: &str = "taffrail:workers/queue@0.2.";

pub(crate) type Pre = generated::HandlerPre<State>;

pub(crate) async fn call(
    pre: &Pre,
    store: &mut Store<State>,
    debug: Option<&DebugFile>,
    queue: &str,
    messages: Vec<QueueMessage>,
) -> Call {
    let guest = match pre.instantiate_async(&mut *store).await {
        Ok(guest) => guest,
        Err(error) => return instantiation_failed(&error, store.data(), debug),
    };
    let messages: Vec<_> = messages.into_iter().map(message).collect();
    let consumer = guest.taffrail_workers_queue();
    let result = consumer.call_queue(&mut *store, queue, &messages).await;
    returned(&result, debug)
}

fn message(message: QueueMessage) -> Message {
    Message {
        body: json(&message.body),
        id: message.id,
        timestamp: message.timestamp,
        attempts: message.attempts,
    }
}
