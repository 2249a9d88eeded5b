//! A streaming tail for WASI 0.3 that logs the number and the kind of each
//! event, or does what its variable `MODE` says.

wit_bindgen::generate!({
    inline: "
        package taffrail-tests:stream-probe;
        world probe {
            export taffrail:workers/streaming-tail@0.3.0;
        }
    ",
    path: ["../../../wit", "../../../wit/p3"],
    world: "taffrail-tests:stream-probe/probe",
    generate_all,
});

use std::env;
use std::hint::black_box;

use exports::taffrail::workers0_3_0::streaming_tail::Guest;
use taffrail::workers0_2_0::stream_events::{StreamEvent, StreamItem};
use wit_bindgen::StreamReader;

struct Probe;

export!(Probe);

impl Guest for Probe {
    async fn tail_stream(mut events: StreamReader<StreamItem>) {
        let mode = env::var("MODE").unwrap_or_default();
        if mode == "leave" {
            println!("leaves");
            return;
        }
        while let Some(item) = events.next().await {
            println!("{} {}", item.sequence, kind(&item.event));
            match mode.as_str() {
                "panic" => panic!("the tail broke"),
                "loop" => loop {
                    black_box(0);
                },
                "one" => break,
                _ => {}
            }
        }
        println!("over");
    }
}

fn kind(event: &StreamEvent) -> &'static str {
    match event {
        StreamEvent::Onset(_) => "onset",
        StreamEvent::Log(_) => "log",
        StreamEvent::Exception(_) => "exception",
        StreamEvent::DiagnosticChannel(_) => "diagnostic-channel",
        StreamEvent::SpanOpen(_) => "span-open",
        StreamEvent::Attributes(_) => "attributes",
        StreamEvent::SpanClose(_) => "span-close",
        StreamEvent::Return(_) => "return",
        StreamEvent::Dropped(_) => "dropped",
        StreamEvent::Outcome(_) => "outcome",
    }
}
