//! A streaming tail that logs each event of an invocation as it happens, with
//! the milliseconds since its onset.

wit_bindgen::generate!({
    path: "../../../wit",
    world: "taffrail:workers/streaming-tail-worker",
    generate_all,
});

use exports::taffrail::workers::streaming_tail::{Guest, GuestTailStream};
use taffrail::workers::stream_events::{StreamEvent, StreamItem};
use taffrail::workers::types::EventInfo;

struct Tail;

export!(Tail);

impl Guest for Tail {
    type TailStream = Stream;
}

struct Stream {
    began: u64,
}

impl GuestTailStream for Stream {
    fn new(onset: StreamItem) -> Self {
        let stream = Self {
            began: onset.timestamp,
        };
        stream.event(onset);
        stream
    }

    fn event(&self, item: StreamItem) {
        let after = item.timestamp.saturating_sub(self.began);
        println!("{after} ms: {}", text(&item.event));
    }
}

fn text(event: &StreamEvent) -> String {
    match event {
        StreamEvent::Onset(onset) => match &onset.info {
            EventInfo::Fetch(fetch) => format!("{} {}", fetch.request.method, fetch.request.url),
            other => format!("{other:?}"),
        },
        StreamEvent::Log(log) => format!("({:?}) {}", log.level, log.message.join(" ")),
        StreamEvent::Exception(exception) => {
            format!("{}: {}", exception.name, exception.message)
        }
        StreamEvent::SpanOpen(span) => format!("{} begins", span.name),
        StreamEvent::SpanClose(outcome) => format!("a span ends: {outcome:?}"),
        StreamEvent::Return(Some(status)) => format!("responded with {status}"),
        StreamEvent::Return(None) => "returned".to_owned(),
        StreamEvent::Dropped(count) => format!("{count} events were dropped"),
        StreamEvent::Outcome(end) => format!("{:?}", end.outcome),
        other => format!("{other:?}"),
    }
}
