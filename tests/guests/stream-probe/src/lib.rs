//! A streaming tail that logs each event on a line, or does what its variable
//! `MODE` says.

wit_bindgen::generate!({
    path: "../../../wit",
    world: "taffrail:workers/streaming-tail-worker",
    generate_all,
});

use std::env;
use std::hint::black_box;

use exports::taffrail::workers::streaming_tail::{Guest, GuestTailStream};
use taffrail::workers::stream_events::{StreamEvent, StreamItem};
use taffrail::workers::tracing::SpanValue;
use taffrail::workers::types::EventInfo;

struct StreamProbe;

export!(StreamProbe);

impl Guest for StreamProbe {
    type TailStream = Stream;
}

struct Stream {
    mode: String,
}

impl GuestTailStream for Stream {
    fn new(onset: StreamItem) -> Self {
        let mode = env::var("MODE").unwrap_or_default();
        if mode == "panic-at-onset" {
            panic!("the tail broke at the onset");
        }
        show(&onset);
        Self { mode }
    }

    fn event(&self, item: StreamItem) {
        match self.mode.as_str() {
            "panic" => panic!("the tail broke"),
            "loop" => loop {
                black_box(0);
            },
            "count"
                if !matches!(
                    item.event,
                    StreamEvent::Outcome(_) | StreamEvent::Dropped(_)
                ) => {}
            _ => show(&item),
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        println!("dropped");
    }
}

fn show(item: &StreamItem) {
    let span = item.span_context.span_id.as_deref().unwrap_or("-");
    println!("{} {span} {}", item.sequence, text(&item.event));
}

fn text(event: &StreamEvent) -> String {
    match event {
        StreamEvent::Onset(onset) => {
            let name = onset.script_name.as_deref().unwrap_or_default();
            let info = match &onset.info {
                EventInfo::Fetch(fetch) => {
                    let raw = fetch.raw.get_unredacted();
                    format!("{} {} {}", fetch.request.method, fetch.request.url, raw.url)
                }
                _ => "another event".to_owned(),
            };
            format!("onset {name} {} {info}", onset.span_id)
        }
        StreamEvent::Log(log) => format!("log {}", log.message.join(",")),
        StreamEvent::Exception(exception) => {
            format!("exception {}: {}", exception.name, exception.message)
        }
        StreamEvent::DiagnosticChannel(diagnostic) => format!("diagnostic {}", diagnostic.channel),
        StreamEvent::SpanOpen(span) => format!("span-open {} {}", span.name, span.span_id),
        StreamEvent::Attributes(attributes) => {
            let texts = attributes
                .iter()
                .map(|attribute| format!("{}={}", attribute.name, value(&attribute.value)));
            format!("attributes {}", texts.collect::<Vec<_>>().join(" "))
        }
        StreamEvent::SpanClose(outcome) => format!("span-close {outcome:?}"),
        StreamEvent::Return(status) => format!("return {status:?}"),
        StreamEvent::Dropped(count) => format!("dropped {count}"),
        StreamEvent::Outcome(end) => format!("outcome {:?}", end.outcome),
    }
}

fn value(value: &SpanValue) -> String {
    match value {
        SpanValue::Text(text) => text.clone(),
        SpanValue::Integer(number) => number.to_string(),
        SpanValue::Number(number) => number.to_string(),
        SpanValue::Boolean(boolean) => boolean.to_string(),
    }
}
