//! The Tail Worker of the table of languages, in Rust.

mod fields;

wit_bindgen::generate!({
    path: "../../../../../wit",
    world: "taffrail:workers/tail-worker",
    generate_all,
});

use std::env;
use std::sync::atomic::{AtomicU32, Ordering};

use exports::taffrail::workers::tail::{Guest, TraceItem};
use taffrail::workers::console::{self, LogLevel};
use taffrail::workers::context;
use taffrail::workers::types::{EventInfo, TailRequest};
use wasi::keyvalue::store;
use wstd::http::{Client, Error, Request, StatusCode};
use wstd::runtime::block_on;

struct Tail;

/// The events that this instance has handled.
static EVENTS: AtomicU32 = AtomicU32::new(0);

export!(Tail);

impl Guest for Tail {
    fn tail(events: Vec<TraceItem>) {
        let number = EVENTS.fetch_add(1, Ordering::Relaxed) + 1;
        match events[0].script_name.as_deref() {
            Some("fields") => events.iter().for_each(fields::show),
            Some("unredacted") => {
                for item in &events {
                    let Some(EventInfo::Fetch(fetch)) = &item.event else {
                        panic!("{:?} is no request", item.event);
                    };
                    show(&fetch.request);
                    show(&fetch.raw.get_unredacted());
                }
            }
            Some("post") => {
                let endpoint = env::var("ENDPOINT").unwrap();
                println!("{}", block_on(post(&endpoint)).unwrap().as_u16());
            }
            Some("kv") => {
                let bucket = store::open("KV").unwrap();
                for item in &events {
                    let name = item.script_name.as_deref().unwrap_or_default();
                    bucket.set(&item.invocation_id, name.as_bytes()).unwrap();
                    let value = bucket.get(&item.invocation_id).unwrap().unwrap();
                    println!("{}", String::from_utf8_lossy(&value));
                }
            }
            Some("fail") => fail(),
            Some("levels") => {
                log(LogLevel::Debug, "a debug");
                log(LogLevel::Info, "an info");
                println!("a log");
                log(LogLevel::Warn, "a warning");
                log(LogLevel::Error, "an error");
            }
            Some("vars") => {
                println!("{}", env::var("GREETING").unwrap());
                println!("{}", context::props());
            }
            Some("count") => {
                let logs: Vec<_> = events.iter().flat_map(|item| &item.logs).collect();
                let texts = logs.iter().flat_map(|log| &log.message);
                let bytes: usize = texts.map(String::len).sum();
                println!("{} {} {bytes}", events.len(), logs.len());
            }
            Some("again") => println!("{number}"),
            _ => {
                for item in &events {
                    let name = item.script_name.as_deref().unwrap_or_default();
                    println!("{name} {} {}", item.outcome as u8, item.logs.len());
                }
            }
        }
    }
}

fn fail() -> ! {
    panic!("the tail failed")
}

fn log(level: LogLevel, text: &str) {
    console::log(level, &[text.to_owned()]);
}

fn show(request: &TailRequest) {
    let mut headers = request.headers.iter();
    let authorization = headers.find(|(name, _)| name == "authorization");
    println!("{} {}", request.url, authorization.unwrap().1);
}

async fn post(endpoint: &str) -> Result<StatusCode, Error> {
    let request = Request::post(endpoint)
        .header("content-type", "application/json")
        .body(context::events_json())?;
    Ok(Client::new().send(request).await?.status())
}
