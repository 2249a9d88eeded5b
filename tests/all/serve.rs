//! `taffrail serve`: answers, the record on stdout, and the end.

use http::StatusCode;
use serde_json::{Value, json};
use std::net::TcpStream;
use std::time::{Duration, Instant};
use taffrail_tests::client::Client;
use taffrail_tests::process::{Folder, Server};
use taffrail_tests::scenario::Endpoint;

/// A Worker `w` that runs a guest, and a Tail Worker `t` behind it.
fn with_tail(guest: &str) -> Folder {
    let folder = Folder::new();
    folder
        .worker("w", guest, "tail_consumers = [{ service = \"t\" }]")
        .worker("t", "tail-log", "");
    folder
}

/// Worker and outcome of each item, sorted.
fn outcomes(items: &[Value]) -> Vec<String> {
    let mut outcomes: Vec<_> = items
        .iter()
        .map(|item| format!("{} {}", item["scriptName"], item["outcome"]).replace('"', ""))
        .collect();
    outcomes.sort_unstable();
    outcomes
}

/// A client in the middle of a request: its body is open, and the Worker has
/// sent a part of it back.
fn in_the_middle(server: &Server) -> Client {
    let mut client = Client::connect(server.address);
    client.send("POST /body/echo HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n");
    client.send("5\r\nfirst\r\n");
    assert_eq!(client.head().status, 200);
    assert_eq!(client.piece(), b"first");
    client
}

#[test]
fn the_first_worker_answers_and_items_are_lines_of_json() {
    let server = with_tail("hello").start(&["serve", "w", "t"]);
    let answer = server.get("/there?a=b");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("text/plain"));
    assert_eq!(answer.body, "Hello from /there\n");

    let mut items = [server.item(), server.item()];
    assert_eq!(outcomes(&items), ["t ok", "w ok"]);
    items.sort_by_key(|item| item["scriptName"] != "w");
    let event = &mut items[0]["event"];
    let client = event["request"]["cf"]["clientIp"].take();
    assert!(
        client.as_str().unwrap().starts_with("127.0.0.1:"),
        "{client}"
    );
    assert_eq!(
        *event,
        json!({
            "request": {
                "cf": { "clientIp": null },
                "headers": { "connection": "close", "host": "localhost" },
                "method": "GET",
                "url": "http://localhost/there?a=b",
            },
            "response": { "status": 200 },
        })
    );
    let tail = &items[1];
    assert_eq!(
        tail["event"],
        json!({ "consumedEvents": [{ "scriptName": "w" }] })
    );
    let line = tail["logs"][0]["message"][0].as_str().unwrap();
    assert!(
        line.starts_with("w GET http://localhost/there?a=b -> 200"),
        "{line}"
    );

    let finished = server.terminate();
    assert_eq!((finished.code, finished.stdout.as_str()), (Some(0), ""));
}

#[test]
fn wasi_0_3_is_served_as_wasi_0_2_is() {
    let server = with_tail("hello-p3").start(&["serve", "w", "t"]);
    assert_eq!(server.get("/there").body, "Hello from /there\n");
    let items = [server.item(), server.item()];
    assert_eq!(outcomes(&items), ["t ok", "w ok"]);
}

#[test]
fn the_format_of_the_record_can_be_chosen() {
    let folder = with_tail("hello");
    let server = folder.start(&["serve", "w", "t", "--format", "pretty"]);
    assert_eq!(server.get("/").status, 200);
    let line = server.until_stdout("GET");
    assert!(line.starts_with("GET http://localhost/ - Ok @ "), "{line}");

    let server = folder.start(&["serve", "w", "t", "--format", "none"]);
    assert_eq!(server.get("/").status, 200);
    let finished = server.terminate();
    assert_eq!((finished.code, finished.stdout.as_str()), (Some(0), ""));
}

#[test]
fn a_client_is_not_told_what_went_wrong_in_the_worker() {
    let folder = Folder::new();
    folder.worker("w", "probe", "limits.cpu_ms = 20\ntaffrail.memory_mb = 8");
    let server = folder.start(&["serve", "w"]);
    for (path, status, body, outcome) in [
        ("/fault/panic", 500, "Internal Server Error", "exception"),
        ("/work/loop", 503, "Service Unavailable", "exceededCpu"),
        (
            "/fault/allocate?9000000",
            503,
            "Service Unavailable",
            "exceededMemory",
        ),
    ] {
        let answer = server.get(path);
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (status, body),
            "{path}"
        );
        assert_eq!(server.item()["outcome"], outcome, "{path}");
    }
}

#[test]
fn sigterm_lets_a_request_and_its_tail_finish() {
    let server = with_tail("probe").start(&["serve", "w", "t"]);
    let mut client = in_the_middle(&server);
    server.signal("TERM");
    server.until_stderr("Stopping");
    client.send("4\r\nlast\r\n0\r\n\r\n");
    assert_eq!(client.piece(), b"last");
    assert_eq!(client.piece(), b"");
    let address = server.address;
    let finished = server.finish();
    assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), ""));
    assert_eq!(outcomes(&finished.items()), ["t ok", "w ok"]);
    assert!(TcpStream::connect(address).is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_lets_a_tail_finish_that_waits_for_somebody() {
    let mut endpoint = Endpoint::start().await;
    let folder = Folder::new();
    folder
        .worker("w", "hello", "tail_consumers = [{ service = \"t\" }]")
        .worker("t", "tail-http", "");
    let var = format!("t.ENDPOINT:{}", endpoint.url());
    let server = folder.start(&["serve", "w", "t", "--var", &var]);
    assert_eq!(server.get("/").status, 200);
    let request = endpoint.next().await;
    server.signal("TERM");
    server.until_stderr("Stopping");
    request.answer(StatusCode::NO_CONTENT);
    let finished = server.finish();
    assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), ""));
    assert_eq!(outcomes(&finished.items()), ["t ok", "w ok"]);
}

#[test]
fn what_is_unfinished_after_the_grace_period_is_counted() {
    let server = with_tail("probe").start(&["serve", "w", "t", "--grace", "0"]);
    let clients = [in_the_middle(&server), in_the_middle(&server)];
    let finished = server.terminate();
    assert_eq!(finished.code, Some(1));
    let warning = "Stopping once everything under way has ended; a second signal stops at once\n\
         warning: stopped with 2 invocation(s) or item(s) unfinished; `--grace` gives them more time\n";
    assert!(finished.stderr.starts_with(warning), "{}", finished.stderr);
    drop(clients);
}

#[test]
fn a_second_signal_stops_at_once() {
    let server = with_tail("probe").start(&["serve", "w", "t", "--grace", "3600"]);
    let client = in_the_middle(&server);
    server.signal("INT");
    server.until_stderr("Stopping");
    server.signal("INT");
    let finished = server.finish();
    assert_eq!(finished.code, Some(1));
    let warning = "warning: stopped with 1 invocation(s) or item(s) unfinished; ";
    assert!(finished.stderr.starts_with(warning), "{}", finished.stderr);
    drop(client);
}

#[expect(clippy::disallowed_methods, reason = "real time is what a user waits")]
#[test]
fn neither_idle_nor_silent_clients_delay_the_end() {
    for signal in ["TERM", "INT"] {
        let server = with_tail("hello").start(&["serve", "w", "t", "--grace", "3600"]);
        let silent = Client::connect(server.address);
        let mut idle = Client::connect(server.address);
        idle.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
        assert_eq!(idle.answer().status, 200);
        let asked = Instant::now();
        server.signal(signal);
        let finished = server.finish();
        // A client gets 30 seconds to send a request.
        assert!(asked.elapsed() < Duration::from_secs(20));
        assert_eq!(finished.code, Some(0));
        assert_eq!(outcomes(&finished.items()), ["t ok", "w ok"]);
        drop(silent);
    }
}
