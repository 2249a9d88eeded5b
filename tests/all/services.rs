//! Components that call other Workers by their bindings.

use bytes::Bytes;
use http::Request;
use serde_json::Value;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use taffrail_tests::folder::Folder;
use taffrail_tests::guests;
use taffrail_tests::scenario::{Endpoint, Scenario, logs};
use taffrail_trace::Outcome;

#[tokio::test(flavor = "multi_thread")]
async fn a_component_fetches_another_worker_and_both_are_recorded() {
    let folder = Folder::new();
    let binding = "services = [{ binding = \"OTHER\", service = \"callee\" }]";
    folder.worker("caller", "probe", binding).script(
        "callee",
        "export default { fetch(request) { return new Response('saw ' + request.url); } }",
        "",
    );
    let scenario = Scenario::of(&folder, &["caller", "callee"]).await;
    let answer = scenario.get("caller", "/binding/fetch?OTHER").await;
    assert_eq!(answer.text(), "200 saw http://callee/status?200");
    let items = scenario.json();
    let of = |name: &str| {
        let mut items = items.iter();
        items.find(|item| item["scriptName"] == name).unwrap()
    };
    assert_eq!(
        of("callee")["parentInvocationId"],
        of("caller")["invocationId"]
    );
    assert_eq!(of("callee")["requestId"], of("caller")["requestId"]);
}

/// A callee, and a server on the network, that answer without reading the request.
#[tokio::test(flavor = "multi_thread")]
async fn a_body_may_be_written_after_the_answer() {
    let folder = Folder::new();
    let binding = "services = [{ binding = \"OTHER\", service = \"callee\" }]";
    folder
        .worker("caller", "probe", binding)
        .worker("callee", "hello", "");
    let scenario = Scenario::of(&folder, &["caller", "callee"]).await;
    let answer = scenario.get("caller", "/binding/fetch-early?OTHER").await;
    assert_eq!(answer.text(), "200 Hello from /status\n");

    let endpoint = Endpoint::start().await;
    let path = format!("/binding/fetch-early?{}", endpoint.authority());
    endpoint.answer_all();
    let answer = scenario.get("caller", &path).await;
    assert_eq!(answer.text(), "200 ");
}

/// The caller is stopped in the middle of the body that it sends. Neither a Worker nor a server on
/// the network may take what has come for the whole.
#[tokio::test(flavor = "multi_thread")]
async fn a_body_whose_writer_is_stopped_breaks_off() {
    let folder = Folder::new();
    let binding =
        "services = [{ binding = \"OTHER\", service = \"callee\" }]\n[limits]\ncpu_ms = 50";
    folder.worker("caller", "probe", binding).script(
        "callee",
        "export default { fetch(request, env, ctx) {
            const read = async () => {
                try {
                    console.log('whole', await request.text());
                } catch (error) {
                    console.log('broken', error.message);
                }
            };
            ctx.waitUntil(read());
            return new Response();
        } }",
        "",
    );
    let scenario = Scenario::of(&folder, &["caller", "callee"]).await;
    let answer = scenario.get("caller", "/binding/fetch-stuck?OTHER").await;
    assert_eq!(answer.status, None);
    scenario.idle().await;
    assert_eq!(scenario.item("caller").outcome, Outcome::ExceededCpu);
    let read = logs(&scenario.item("callee"));
    assert!(read.join("\n").starts_with("log broken "), "{read:?}");

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let path = format!("/binding/fetch-stuck?{}", listener.local_addr().unwrap());
    let rest = tokio::task::spawn_blocking(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut sent = Vec::new();
        while !sent.ends_with(b"half\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            sent.extend(byte);
        }
        let answer = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
        stream.write_all(answer.as_bytes()).unwrap();
        let mut rest = String::new();
        // The connection may be reset.
        _ = stream.read_to_string(&mut rest);
        rest
    });
    assert_eq!(scenario.get("caller", &path).await.status, None);
    assert_eq!(rest.await.unwrap(), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callee_that_fails_is_an_error_with_what_it_said() {
    let folder = Folder::new();
    let binding = "services = [{ binding = \"OTHER\", service = \"callee\" }]";
    folder.worker("caller", "probe", binding).script(
        "callee",
        "export default { fetch() { throw new TypeError('not today'); } }",
        "",
    );
    let scenario = Scenario::of(&folder, &["caller", "callee"]).await;
    for (binding, error) in [
        ("OTHER", "not today"),
        ("NOBODY", "there is no service binding `NOBODY`"),
    ] {
        let path = format!("/binding/fetch?{binding}");
        let answer = scenario.get("caller", &path).await;
        let expected = format!("ErrorCode::InternalError(Some({error:?}))");
        assert_eq!(answer.text(), expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_loads_another_one_and_watches_its_call() {
    let folder = Folder::new();
    folder.worker(
        "maker",
        "probe",
        "worker_loaders = [{ binding = \"LOADER\" }]",
    );
    let load = async |binding: &str, body: &[u8]| {
        let scenario = Scenario::of(&folder, &["maker"]).await;
        let request = Request::post(format!("http://localhost/binding/load?{binding}"));
        let request = request.body(Bytes::copy_from_slice(body)).unwrap();
        let answer = scenario.send("maker", request).await;
        (answer.text(), scenario.json())
    };
    let hello = fs::read(guests::component("hello")).unwrap();
    let (told, items) = load("LOADER", &hello).await;
    let mut lines = told.lines();
    assert_eq!(lines.next(), Some("200 hi from /status"));
    let last: Value = serde_json::from_str(lines.next_back().unwrap()).unwrap();
    assert_eq!(last["outcome"], "ok");
    let find = |is_it: fn(&Value) -> bool| items.iter().find(|item| is_it(item)).unwrap();
    let dynamic = find(|item| item["scriptName"].is_null());
    // It has no handler for it, which is told of, too.
    let tail = find(|item| item["event"].get("consumedEvents").is_some());
    assert_eq!(tail["scriptName"], "maker");
    let logs = dynamic["logs"].as_array().unwrap().len();
    assert_eq!(lines.count(), logs, "{told}");

    let script = "export default { fetch(request, env) { console.log('here'); return new Response(env.GREETING + '\\n'); } }";
    let (told, _) = load("LOADER", script.as_bytes()).await;
    assert!(told.starts_with("200 hi\n{\"type\":\"log\""), "{told}");

    let (told, _) = load("NONE", b"x").await;
    assert_eq!(told, "there is no worker loader `NONE`");
    let (told, _) = load("LOADER", b"x").await;
    assert!(
        told.starts_with("`main.wasm` cannot run: it is not a WebAssembly component"),
        "{told}"
    );
}
