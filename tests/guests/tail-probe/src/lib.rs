//! A Tail Worker that logs all that it was given, in both forms, or does what
//! its variable `MODE` says.

mod typed;

wit_bindgen::generate!({
    path: "../../../wit",
    world: "taffrail:workers/tail-worker",
    generate_all,
});

use std::env;
use std::hint::black_box;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use exports::taffrail::workers::tail::{Guest, TraceItem};
use taffrail::workers::context;
use taffrail::workers::types::EventInfo;
use wasi::keyvalue::store;
use wstd::http::{Client, Error, Request, StatusCode};
use wstd::runtime::block_on;

struct TailProbe;

export!(TailProbe);

impl Guest for TailProbe {
    fn tail(events: Vec<TraceItem>) {
        match env::var("MODE").unwrap_or_default().as_str() {
            "" => show(&events),
            "quiet" => {}
            "count" => {
                static COUNT: AtomicU32 = AtomicU32::new(0);
                println!("{}", COUNT.fetch_add(1, Relaxed) + 1);
            }
            "panic" => panic!("the tail broke"),
            "loop" => loop {
                black_box(0);
            },
            "fetch" => {
                println!("{}", context::events_json());
                let endpoint = env::var("ENDPOINT").expect("ENDPOINT is set");
                let status = block_on(get(&endpoint)).expect("the endpoint answers");
                println!("{status}");
            }
            "keep" => keep(&events),
            other => panic!("no such mode: {other}"),
        }
    }
}

/// Line 1: the JSON form; line 2: the typed form, in the same JSON; then the
/// unredacted request of each fetch event.
fn show(events: &[TraceItem]) {
    println!("{}", context::events_json());
    let items: Vec<_> = events.iter().map(typed::item).collect();
    println!("{}", serde_json::Value::from(items));
    for item in events {
        if let Some(EventInfo::Fetch(fetch)) = &item.event {
            println!("{}", typed::request(&fetch.raw.get_unredacted()));
        }
    }
}

/// Keeps the URLs of the requests in a KV namespace, and logs all that it keeps.
fn keep(events: &[TraceItem]) {
    let bucket = store::open("ITEMS").expect("`ITEMS` is a binding");
    for item in events {
        if let Some(EventInfo::Fetch(fetch)) = &item.event {
            let url = fetch.request.url.as_bytes();
            bucket.set(&item.invocation_id, url).expect("it is kept");
        }
    }
    let keys = bucket.list_keys(None).expect("a list").keys;
    let kept = keys.iter().map(|key| {
        let url = bucket.get(key).expect("it is read").expect("it is kept");
        (key.clone(), String::from_utf8_lossy(&url).into())
    });
    println!("{}", serde_json::Value::Object(kept.collect()));
}

async fn get(endpoint: &str) -> Result<StatusCode, Error> {
    let request = Request::get(endpoint).body(())?;
    Ok(Client::new().send(request).await?.status())
}
