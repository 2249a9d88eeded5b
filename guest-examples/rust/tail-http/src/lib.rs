//! A Tail Worker that posts what it was told to an HTTP endpoint, in the JSON
//! that `JSON.stringify(events)` gives on Workers.

wit_bindgen::generate!({
    path: "../../../wit",
    world: "taffrail:workers/tail-worker",
    generate_all,
});

use std::env;

use exports::taffrail::workers::tail::{Guest, TraceItem};
use taffrail::workers::context;
use wstd::http::{Client, Error, Request, StatusCode};
use wstd::runtime::block_on;

struct TailHttp;

export!(TailHttp);

impl Guest for TailHttp {
    fn tail(_events: Vec<TraceItem>) {
        let endpoint = env::var("ENDPOINT")
            .expect("set the variable ENDPOINT to the URL that takes the events");
        match block_on(post(&endpoint, context::events_json())) {
            Ok(status) if status.is_success() => {}
            Ok(status) => eprintln!("{endpoint} answered {status}"),
            Err(error) => panic!("posting to {endpoint} failed: {error:#}"),
        }
    }
}

async fn post(endpoint: &str, json: String) -> Result<StatusCode, Error> {
    let request = Request::post(endpoint)
        .header("content-type", "application/json")
        .body(json)?;
    let response = Client::new().send(request).await?;
    Ok(response.status())
}
