//! `taffrail:workers/streaming-tail`: a resource with WASI 0.2, a stream with WASI 0.3.

use crate::component::handlers::{Exported, NotReturned, On};
use crate::delivery::TailStream;
use crate::instance::state::State;
use crate::interfaces::tail_event::{stream_item, types};
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use taffrail_trace::TailEvent;
use wasmtime::StoreContextMut;
use wasmtime::component::{
    Destination, ResourceAny, StreamProducer, StreamReader, StreamResult, VecBuffer,
};

mod p2 {
    wasmtime::component::bindgen!({
        inline: "
            package taffrail:host;
            world handler { export taffrail:workers/streaming-tail@0.2.0; }
        ",
        path: "../../wit",
        exports: { default: async },
        with: {
            "taffrail:workers/stream-events": crate::interfaces::tail_event::generated::taffrail::workers::stream_events,
        },
    });
}

mod p3 {
    wasmtime::component::bindgen!({
        inline: "
            package taffrail:host;
            world handler { export taffrail:workers/streaming-tail@0.3.0; }
        ",
        path: ["../../wit", "../../wit/p3"],
        exports: { default: async },
        with: {
            "taffrail:workers/stream-events": crate::interfaces::tail_event::generated::taffrail::workers::stream_events,
        },
    });
}

const P2: &str = "taffrail:workers/streaming-tail@0.2.";
const P3: &str = "taffrail:workers/streaming-tail@0.3.";

/// The handler, for either version of WASI.
pub(super) enum Handler {
    P2(p2::HandlerIndices),
    P3(p3::HandlerIndices),
}

impl super::Handler for Handler {
    const EXPORTS: &'static [&'static str] = &[P3, P2];
    const NAME: &'static str = "tailStream";
    const MISSING: &'static str = "A worker configured to act as a streaming tail worker does not export a tailStream() handler.";
    type Event = TailStream;

    fn new(export: &str, exported: &Exported<'_>) -> wasmtime::Result<Self> {
        type Item<'a> = &'a types::StreamItem;
        if export.starts_with(P3) {
            exported.check::<(StreamReader<types::StreamItem>,), ()>(export, "tail-stream")?;
            return p3::HandlerIndices::new(exported.pre).map(Self::P3);
        }
        exported.check::<(Item<'_>,), (ResourceAny,)>(export, "[constructor]tail-stream")?;
        exported.check::<(ResourceAny, Item<'_>), ()>(export, "[method]tail-stream.event")?;
        p2::HandlerIndices::new(exported.pre).map(Self::P2)
    }

    async fn call(&self, on: On<'_>, events: TailStream) -> Result<(), NotReturned> {
        match self {
            Self::P2(indices) => call_p2(indices, on, events).await,
            Self::P3(indices) => call_p3(indices, on, events).await,
        }
    }
}

/// Opens a stream with the first event, and calls it with each later one.
async fn call_p2(
    indices: &p2::HandlerIndices,
    On { store, guest, .. }: On<'_>,
    mut events: TailStream,
) -> Result<(), NotReturned> {
    let host = |error: wasmtime::component::ResourceTableError| NotReturned::Host(error.into());
    let Some(onset) = events.next().await else {
        return Ok(());
    };
    let guest = indices.load(&mut *store, guest);
    let guest = guest.map_err(NotReturned::Host)?;
    let exported = guest.taffrail_workers_streaming_tail().tail_stream();
    let onset = stream_item(&onset, store.data_mut()).map_err(host)?;
    let opened = exported.call_constructor(&mut *store, &onset).await;
    let stream = opened.map_err(NotReturned::Guest)?;
    while let Some(event) = events.next().await {
        let event = stream_item(&event, store.data_mut()).map_err(host)?;
        let called = exported.call_event(&mut *store, stream, &event).await;
        called.map_err(NotReturned::Guest)?;
    }
    let dropped = stream.resource_drop_async(&mut *store).await;
    dropped.map_err(NotReturned::Guest)
}

/// Calls the guest with a stream of all events.
async fn call_p3(
    indices: &p3::HandlerIndices,
    On { store, guest, .. }: On<'_>,
    events: TailStream,
) -> Result<(), NotReturned> {
    let guest = indices.load(&mut *store, guest);
    let guest = guest.map_err(NotReturned::Host)?;
    let events = StreamReader::new(&mut *store, Events(events)).map_err(NotReturned::Host)?;
    let run = store.run_concurrent(async |accessor| {
        let exported = guest.taffrail_workers0_3_0_streaming_tail();
        exported.call_tail_stream(accessor, events).await?;
        // The handler has returned. Its tasks go on.
        poll_fn(|cx| accessor.poll_no_interesting_tasks(cx)).await;
        wasmtime::error::Ok(())
    });
    let result = run.await.and_then(|result| result);
    result.map_err(NotReturned::Guest)
}

/// The most events of one read.
const READ: usize = 64;

/// The host's end of a stream of events.
struct Events(TailStream);

impl StreamProducer<State> for Events {
    type Item = types::StreamItem;
    type Buffer = VecBuffer<types::StreamItem>;

    /// Produces the events that wait, up to the limit and to what the guest reads.
    fn poll_produce<'a>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut store: StoreContextMut<'a, State>,
        mut destination: Destination<'a, Self::Item, Self::Buffer>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        let room = destination.remaining(&mut store).unwrap_or(READ).min(READ);
        if room == 0 {
            // A read of nothing asks whether there is something.
            return Poll::Ready(Ok(StreamResult::Completed));
        }
        let mut items = Vec::new();
        let mut is_over = false;
        while items.len() < room {
            match self.0.poll_next(cx) {
                Poll::Ready(Some(event)) => items.push(item(&event, store.data_mut())?),
                Poll::Ready(None) => {
                    is_over = true;
                    break;
                }
                Poll::Pending => break,
            }
        }
        match (items.is_empty(), is_over) {
            (true, false) if finish => Poll::Ready(Ok(StreamResult::Cancelled)),
            (true, false) => Poll::Pending,
            (_, is_over) => {
                destination.set_buffer(items.into());
                Poll::Ready(Ok(match is_over {
                    true => StreamResult::Dropped,
                    false => StreamResult::Completed,
                }))
            }
        }
    }
}

fn item(event: &Arc<TailEvent>, state: &mut State) -> wasmtime::Result<types::StreamItem> {
    Ok(stream_item(event, state)?)
}
