//! `taffrail:workers/streaming-tail`.

use crate::component::handlers::{Exported, NotReturned, On};
use crate::delivery::TailStream;
use crate::interfaces::tail_event::generated::HandlerIndices;
use crate::interfaces::tail_event::{stream_item, types};
use std::sync::Arc;
use taffrail_trace::TailEvent;
use wasmtime::component::ResourceAny;

pub(super) struct Handler(HandlerIndices);

impl super::Handler for Handler {
    const EXPORTS: &'static [&'static str] = &["taffrail:workers/streaming-tail@0.2."];
    const NAME: &'static str = "tailStream";
    const MISSING: &'static str = "A worker configured to act as a streaming tail worker does not export a tailStream() handler.";
    type Event = TailStream;

    fn new(export: &str, exported: &Exported<'_>) -> wasmtime::Result<Self> {
        let indices = HandlerIndices::new(exported.pre)?;
        exported
            .check::<(&types::StreamItem,), (ResourceAny,)>(export, "[constructor]tail-stream")?;
        exported
            .check::<(ResourceAny, &types::StreamItem), ()>(export, "[method]tail-stream.event")?;
        Ok(Self(indices))
    }

    /// Opens a stream with the first event, and calls it with each later one.
    async fn call(&self, mut on: On<'_>, mut events: TailStream) -> Result<(), NotReturned> {
        let Some(onset) = events.next().await else {
            return Ok(());
        };
        let guest = self.0.load(&mut *on.store, on.guest);
        let guest = guest.map_err(NotReturned::Host)?;
        let exported = guest.taffrail_workers_streaming_tail().tail_stream();
        let onset = converted(&mut on, &onset)?;
        let opened = exported.call_constructor(&mut *on.store, &onset).await;
        let stream = opened.map_err(NotReturned::Guest)?;
        while let Some(event) = events.next().await {
            let event = converted(&mut on, &event)?;
            let called = exported.call_event(&mut *on.store, stream, &event).await;
            called.map_err(NotReturned::Guest)?;
        }
        let dropped = stream.resource_drop_async(&mut *on.store).await;
        dropped.map_err(NotReturned::Guest)
    }
}

fn converted(on: &mut On<'_>, event: &Arc<TailEvent>) -> Result<types::StreamItem, NotReturned> {
    let item = stream_item(event, on.store.data_mut());
    item.map_err(|error| NotReturned::Host(error.into()))
}
