//! Workers that Taffrail builds from source files: what the tests of the languages share.

use crate::folder::Folder;
use crate::scenario::{Endpoint, Scenario, full, logs, refused};
use bytes::Bytes;
use http::{Method, Request, StatusCode};
use serde_json::Value;
use std::sync::Arc;
use taffrail_runtime::trace::{Outcome, TraceException, TraceItem};

/// A Worker that answers what it was asked, with status 202.
const OTHER: &str = "export default { async fetch(request) { return new Response(`${request.method} ${new URL(request.url).pathname} ${await request.text()}`, { status: 202 }); } };";

const BINDINGS: &str = r#"
kv_namespaces = [{ binding = "KV", id = "abc" }]
services = [{ binding = "OTHER", service = "other" }]
"#;

/// Writes the folder of a Worker with this source in its file `main`. Its configuration has
/// `more`.
pub fn write(folder: &Folder, name: &str, main: &str, source: &str, more: &str) {
    let config = format!("name = \"{name}\"\nmain = \"{main}\"\n{more}\n");
    folder
        .write(&format!("{name}/{main}"), source)
        .write(&format!("{name}/wrangler.toml"), config);
}

/// Deploys the Worker `shop`, made of files of which the first is its main file, with the KV
/// namespace `KV` and the service `OTHER`.
///
/// # Panics
///
/// When it cannot be deployed.
pub async fn shop(files: &[(&str, &str)]) -> (Folder, Scenario) {
    let folder = Folder::new();
    let (main, source) = files[0];
    write(&folder, "shop", main, source, BINDINGS);
    for (name, text) in &files[1..] {
        folder.write(&format!("shop/{name}"), text);
    }
    folder.script("other", OTHER, "");
    let scenario = Scenario::of(&folder, &["shop", "other"]).await;
    (folder, scenario)
}

/// The item of the last invocation of a Worker.
///
/// # Panics
///
/// When there was none.
#[must_use]
pub fn last(scenario: &Scenario, worker: &str) -> Arc<TraceItem> {
    scenario.items_of(worker).pop().unwrap()
}

/// The item of `shop` after a request for this path, to which there is no answer.
///
/// # Panics
///
/// When there is one.
pub async fn failed(scenario: &Scenario, path: &str) -> Arc<TraceItem> {
    assert_eq!(scenario.get("shop", path).await.status, None, "{path}");
    last(scenario, "shop")
}

/// The only exception of an item.
///
/// # Panics
///
/// When there are none or several.
#[must_use]
pub fn exception(item: &TraceItem) -> &TraceException {
    let [exception] = &item.exceptions[..] else {
        panic!("there is not one exception: {item:#?}");
    };
    exception
}

/// Checks that `/echo` of `shop` answers with status 201, the body, and headers that have the
/// method and a header of the request.
///
/// # Panics
///
/// When it does not.
pub async fn check_echo(scenario: &Scenario, bytes: usize) {
    let body = Bytes::from(vec![b'x'; bytes]);
    let echo = Request::builder()
        .method(Method::PUT)
        .uri("http://localhost/echo")
        .header("x-in", "in")
        .body(body.clone());
    let answer = scenario.send("shop", echo.unwrap()).await;
    assert_eq!(answer.status, Some(201));
    assert_eq!(answer.headers["x-method"], "PUT");
    assert_eq!(answer.headers["x-in"], "in");
    assert!(answer.body == body);
}

/// Has a Worker be the Tail Worker of one that logs `a` and 1 and throws `no`, for a request that
/// has a secret, with props. Returns its item. It is also to answer requests, with `both`, and to
/// post its items to the URL in its variable `ENDPOINT`, which answers with status 202.
///
/// # Panics
///
/// When it does not.
pub async fn tail(main: &str, source: &str) -> Arc<TraceItem> {
    let mut endpoint = Endpoint::start().await;
    let folder = Folder::new();
    let vars = format!("vars = {{ ENDPOINT = \"{}\" }}", endpoint.url());
    write(&folder, "tail", main, source, &vars);
    let producer = "export default { fetch() { console.log('a', 1); throw new Error('no'); } };";
    let tail = "tail_consumers = [{ service = \"tail\", props = { team = 7 } }]";
    folder.script("api", producer, tail);
    let scenario = Scenario::of(&folder, &["api", "tail"]).await;
    let get = Request::builder()
        .uri("http://localhost/")
        .header("authorization", "Bearer 1234")
        .body(Bytes::new());
    scenario.stream("api", get.unwrap().map(full)).await;
    let received = endpoint.next().await;
    assert_eq!(received.headers["content-type"], "application/json");
    assert_eq!(received.method, Method::POST);
    let items: Value = serde_json::from_slice(&received.body).unwrap();
    assert_eq!(items[0]["scriptName"], "api");
    assert_eq!(items[0]["exceptions"][0]["message"], "no");
    received.answer(StatusCode::ACCEPTED);
    scenario.idle().await;
    let item = last(&scenario, "tail");
    assert_eq!(scenario.get("tail", "/").await.text(), "both");
    item
}

/// Checks that a Worker cannot be built, and that the error says so.
///
/// # Panics
///
/// When it can, or when the error does not have `expected`.
pub async fn check_refused(main: &str, source: &str, expected: &str) {
    let folder = Folder::new();
    write(&folder, "w", main, source, "");
    let error = refused(&folder, &["w"]).await;
    assert!(
        error.contains("wrangler.toml: Worker `w` cannot be built: "),
        "{error}"
    );
    assert!(error.contains(expected), "{error}");
}

/// A Worker with every kind of event that a streaming tail receives and that a script can cause.
const STREAMED: &str = r#"
export default {
  async fetch(request, env, ctx) {
    ctx.tracing.enterSpan("work", (span) => {
      console.warn("in work", 7);
      span.setAttribute("kind", "book");
    });
    reportError(new TypeError("no"));
    return new Response("ok");
  },
};
"#;

/// What a streaming tail logs of a request for `/?id=` with a secret.
const EVENTS: [&str; 8] = [
    "log 0 onset api GET http://localhost/?id=REDACTED http://localhost/?id=0123456789abcdef0123456789abcdef",
    "log 1 spanOpen work",
    "log 2 log warn \"in work\" 7",
    "log 3 attributes kind=book",
    "log 4 spanClose ok",
    "log 5 exception TypeError no",
    "log 6 return 200",
    "log 7 outcome ok",
];

/// Deploys the Worker `live`, made of this source, as the streaming tail of a script `api`, which
/// answers with `ok`.
///
/// # Panics
///
/// When it cannot be deployed.
pub async fn streamed(main: &str, source: &str) -> (Folder, Scenario) {
    let folder = Folder::new();
    write(&folder, "live", main, source, "");
    let tail = "streaming_tail_consumers = [{ service = \"live\" }]";
    folder.script("api", STREAMED, tail);
    let scenario = Scenario::of(&folder, &["api", "live"]).await;
    (folder, scenario)
}

/// Checks a streaming tail, which logs each event on a line as `EVENTS` has them, and `end` lines at
/// the end. For a request for `/onset` it fails at once, and for one for `/event` at the first event
/// after the onset, with the exception `failure`.
///
/// # Panics
///
/// When it does not.
pub async fn check_stream(main: &str, source: &str, end: &[&str], failure: (&str, &str)) {
    let (_folder, scenario) = streamed(main, source).await;
    let secret = "/?id=0123456789abcdef0123456789abcdef";
    for (path, received) in [
        (secret, EVENTS.len()),
        ("/onset", 0),
        ("/event", 1),
        (secret, EVENTS.len()),
    ] {
        assert_eq!(scenario.get("api", path).await.text(), "ok", "{path}");
        scenario.idle().await;
        let producer = last(&scenario, "api");
        assert_eq!(producer.outcome, Outcome::Ok, "{path}");
        let item = last(&scenario, "live");
        let lines = logs(&item);
        if received == EVENTS.len() {
            assert_eq!(lines, [&EVENTS, end].concat());
            assert_eq!(item.outcome, Outcome::Ok);
        } else {
            assert_eq!(lines.len(), received, "{path}: {lines:?}");
            assert_eq!(item.outcome, Outcome::Exception, "{path}");
            let exception = exception(&item);
            assert_eq!((&*exception.name, &*exception.message), failure, "{path}");
        }
    }
}
