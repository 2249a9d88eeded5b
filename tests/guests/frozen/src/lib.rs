//! A Worker and Tail Worker with the bindings of the WIT package and nothing else. Builds of it
//! are kept in `tests/frozen`.

wit_bindgen::generate!({
    path: "../../../wit",
    world: "taffrail:workers/worker",
    generate_all,
});

use exports::taffrail::workers::tail::{Guest as Tail, TraceItem};
use exports::wasi::http::incoming_handler::Guest as Fetch;
use taffrail::workers::types::{EventInfo, LogLevel};
use taffrail::workers::{console, context};
use wasi::http::types::{
    Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam,
};

struct Worker;

export!(Worker);

impl Fetch for Worker {
    fn handle(_: IncomingRequest, out: ResponseOutparam) {
        console::log(LogLevel::Warn, &["\"asked\"".to_owned(), "1".to_owned()]);
        let response = OutgoingResponse::new(Fields::new());
        let body = response.body().unwrap();
        ResponseOutparam::set(out, Ok(response));
        let stream = body.write().unwrap();
        stream.blocking_write_and_flush(b"frozen\n").unwrap();
        drop(stream);
        OutgoingBody::finish(body, None).unwrap();
    }
}

impl Tail for Worker {
    fn tail(events: Vec<TraceItem>) {
        for item in events {
            let url = match &item.event {
                Some(EventInfo::Fetch(fetch)) => fetch.raw.get_unredacted().url,
                _ => String::new(),
            };
            let log = &item.logs[0];
            println!(
                "{} {url} {:?} {:?} {} {}",
                item.script_name.unwrap_or_default(),
                item.outcome,
                log.level,
                log.message.join(" "),
                item.lost_items,
            );
        }
        println!("{}", context::events_json());
    }
}
