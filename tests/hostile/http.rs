//! Clients that misbehave, and Workers whose responses are no good.

use serde_json::Value;
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;
use taffrail_server::Settings;
use taffrail_tests::client::{Answer, Client};
use taffrail_tests::process::{Folder, Server};
use taffrail_tests::scenario::{Scenario, Upload, full, next_piece, patiently};
use taffrail_trace::Outcome;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A server in this process, with settings of its own.
struct Served {
    scenario: Scenario,
    address: SocketAddr,
    serving: JoinHandle<()>,
}

impl Served {
    async fn new(guest: &str, change: impl FnOnce(&mut Settings)) -> Self {
        let scenario = Scenario::new().worker(guest);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut settings = Settings::new(guest);
        change(&mut settings);
        let runtime = scenario.runtime().clone();
        let served = taffrail_server::serve(listener, runtime, settings, std::future::pending());
        let serving = tokio::spawn(async move { drop(served.await) });
        Self {
            scenario,
            address,
            serving,
        }
    }

    fn client(&self, request: &str) -> Client {
        let mut client = Client::connect(self.address);
        client.send(request);
        client
    }

    /// The outcome of the one invocation, once it is over.
    async fn outcome(&self, guest: &str) -> Outcome {
        patiently(self.scenario.item_from(guest)).await.outcome
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn impatient(settings: &mut Settings) {
    settings.patience = Duration::from_millis(500);
}

const UNFINISHED: &str = "HTTP/1.1\r\nhost: a\r\ncontent-length: 1000000\r\n\r\nab";

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_send_its_body_is_told_so() {
    for (guest, path) in [("probe", "/work/wait"), ("probe-p3", "/wait")] {
        let served = Served::new(guest, impatient).await;
        let mut client = served.client(&format!("POST {path} {UNFINISHED}"));
        let answer = client.answer();
        assert_eq!(answer.status, 408);
        assert_eq!(answer.header("connection"), Some("close"));
        assert_eq!(client.until_closed(), b"");
        assert_eq!(served.outcome(guest).await, Outcome::Canceled);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_byte_now_and_then_does_not_keep_a_worker() {
    let served = Served::new("probe", impatient).await;
    let mut client = served.client(&format!("POST /work/wait {UNFINISHED}"));
    // It would go on for a day, but for the answer.
    while client.try_send("x").is_ok() {
        thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(served.outcome("probe").await, Outcome::Canceled);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_stops_sending_in_the_middle_of_its_response_is_let_go() {
    for (guest, path) in [("probe", "/body/echo"), ("probe-p3", "/echo")] {
        let served = Served::new(guest, impatient).await;
        let mut client = served.client(&format!("POST {path} {UNFINISHED}"));
        assert_eq!(client.head().status, 200);
        assert_eq!(client.piece(), b"ab");
        assert_eq!(client.until_closed(), b"");
        assert_eq!(served.outcome(guest).await, Outcome::Canceled);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_read_its_response_is_let_go() {
    for (guest, path) in [("probe", "/body/endless"), ("probe-p3", "/endless")] {
        let served = Served::new(guest, impatient).await;
        let _client = served.client(&format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n"));
        assert_eq!(served.outcome(guest).await, Outcome::Canceled);
    }
}

const GET: &str = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_do_nothing_make_room_for_others() {
    let served = Served::new("hello", |settings| settings.connections = 3).await;
    let mut idle = served.client(GET);
    assert_eq!(idle.answer().status, 200);
    let mut silent = served.client("");
    let mut half = served.client("GET / HTTP/1.1\r\nhost: ");
    for _ in 0..3 {
        let mut next = served.client(GET);
        assert_eq!(next.answer().status, 200);
        drop(next);
    }
    // Those that came before go first.
    let mut kept = Vec::new();
    for _ in 0..3 {
        let mut next = served.client(GET);
        assert_eq!(next.answer().status, 200);
        kept.push(next);
    }
    for client in [&mut idle, &mut silent, &mut half] {
        assert_eq!(client.until_closed(), b"");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_whose_requests_are_under_way_keep_their_place() {
    let served = Served::new("probe", |settings| settings.connections = 1).await;
    let mut busy = served.client(
        "POST /work/wait HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\nexpect: 100-continue\r\n\r\n",
    );
    assert_eq!(busy.head().status, 100);
    let mut next = served.client("GET /status?201 HTTP/1.1\r\nhost: a\r\n\r\n");
    busy.send("last");
    assert_eq!(busy.answer().body, "released");
    assert_eq!(next.answer().status, 201);
    assert_eq!(busy.until_closed(), b"");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_no_client_gets_ends_with_its_client() {
    for (guest, path) in [("probe", "/body/endless"), ("probe-p3", "/endless")] {
        let served = Served::new(guest, |_| {}).await;
        let mut client = served.client(&format!("HEAD {path} HTTP/1.1\r\nhost: a\r\n\r\n"));
        assert_eq!(client.head().status, 200);
        assert!(served.scenario.items().is_empty(), "{guest}");
        drop(client);
        assert_eq!(served.outcome(guest).await, Outcome::Canceled);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_that_is_not_sent_is_not_ok() {
    let scenario = Scenario::new().worker("probe");
    for (sent, outcome) in [(true, Outcome::Ok), (false, Outcome::Canceled)] {
        let mut response = scenario.open("probe", "/body/length", full("")).await;
        assert_eq!(next_piece(response.body_mut()).await, "four");
        let receipt = response.body().receipt();
        drop(response);
        match sent {
            true => drop(receipt),
            false => receipt.lost(),
        }
        scenario.idle().await;
        let items = scenario.items();
        assert_eq!(items.last().unwrap().outcome, outcome);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_may_flush_after_its_client_has_everything_that_was_announced() {
    let scenario = Scenario::new().worker("probe");
    let (upload, body) = Upload::new();
    let mut response = scenario.open("probe", "/body/announced", body).await;
    assert_eq!(next_piece(response.body_mut()).await, "four");
    drop(response);
    drop(upload);
    scenario.idle().await;
    let item = scenario.item("probe");
    assert_eq!(item.outcome, Outcome::Ok, "{item:?}");
}

fn served(source: &str) -> Server {
    let folder = Folder::new();
    folder.script("w", source, "");
    folder.start(&["serve", "w"])
}

fn send(server: &Server, request: impl AsRef<[u8]>) -> Answer {
    let mut client = Client::connect(server.address);
    client.send(request);
    client.answer()
}

const ECHO: &str = "export default { async fetch(request) {
  const { method, url, headers, body } = request;
  return Response.json({ method, url, x: headers.get('x'), body: body && await request.text() });
} };";

#[test]
fn whatever_a_client_sends_a_script_is_not_to_blame() {
    let server = served(ECHO);
    let echoed = |request: &[u8]| -> Value {
        let answer = send(&server, request);
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(server.item()["outcome"], "ok");
        serde_json::from_str(&answer.body).unwrap()
    };
    let got = echoed(b"GET / HTTP/1.1\r\nhost: a\r\nx: \xff\xc5\x82\r\n\r\n");
    assert!(got["x"].is_string(), "{got}");
    let got = echoed(b"GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nbody");
    assert_eq!(got["body"], "body");
    let got = echoed(b"GET /%zz?%ff=% HTTP/1.1\r\nhost: a:1\r\n\r\n");
    assert_eq!(got["url"], "http://a:1/%zz?%ff=%");
    for method in ["TRACE", "TRACK", "patch", "ODD"] {
        let request = format!("{method} / HTTP/1.1\r\nhost: a\r\n\r\n");
        assert_eq!(echoed(request.as_bytes())["method"], method);
    }
    let got = echoed(
        b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ncontent-length: 99\r\n\r\n1\r\nx\r\n0\r\nx: trailer\r\n\r\n",
    );
    assert_eq!(got["body"], "x");
    for host in ["h:abc", "h:65536", "1.2.3.4.5", "[::", "a%2fb"] {
        let request = format!("GET / HTTP/1.1\r\nhost: {host}\r\n\r\n");
        assert_eq!(send(&server, request).status, 400, "{host}");
        let request = format!("GET http://{host}/ HTTP/1.1\r\nhost: a\r\n\r\n");
        assert_eq!(send(&server, request).status, 400, "{host}");
    }
    echoed(GET.as_bytes());
}

#[test]
fn a_script_is_not_to_blame_for_a_body_that_breaks_off() {
    let server = served(ECHO);
    let request =
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\nzzz\r\n";
    let mut client = Client::connect(server.address);
    client.send(request);
    assert_eq!(client.answer().status, 400);
    assert_eq!(client.until_closed(), b"");
    assert_eq!(server.item()["outcome"], "canceled");
}

/// The answer of a script that makes a response of this, and the outcome.
fn responded(responses: &[&str]) -> Vec<(Option<Answer>, String)> {
    let list = responses.join(",\n");
    let server = served(&format!(
        "const make = [{list}];
export default {{ fetch(request) {{ return make[new URL(request.url).searchParams.get('n')](); }} }};"
    ));
    let answers = (0..responses.len()).map(|number| {
        let mut client = Client::connect(server.address);
        client.send(format!("GET /?n={number} HTTP/1.1\r\nhost: a\r\n\r\n"));
        let answer = thread::spawn(move || client.answer()).join().ok();
        let outcome = server.item()["outcome"].as_str().unwrap().to_owned();
        (answer, outcome)
    });
    answers.collect()
}

#[test]
fn a_response_is_ok_only_if_its_client_gets_it() {
    let answers = responded(&[
        "() => new Response('four', { headers: { 'content-length': '10' } })",
        "() => new Response('four', { headers: { 'content-length': '2' } })",
        "() => new Response('four', { headers: { 'content-length': 'abc' } })",
        "() => new Response('four', { headers: { 'content-length': '4, 5' } })",
        "() => new Response('four', { headers: { 'transfer-encoding': 'gzip' } })",
        "() => new Response('four', { headers: { connection: 'upgrade', upgrade: 'x' } })",
        "() => new Response(null, { status: 204, headers: { 'content-length': '4' } })",
        "() => new Response(null, { status: 304 })",
        "() => new Response(new ReadableStream({ pull(c) { c.error(new Error('no')); } }))",
    ]);
    for (number, (answer, outcome)) in answers.iter().enumerate() {
        let whole = answer.as_ref().is_some_and(|answer| {
            let is_bodiless = matches!(answer.status, 204 | 304);
            answer.status < 500 && (is_bodiless || answer.body == "four")
        });
        assert_eq!(whole, outcome == "ok", "{number}: {answer:?}, {outcome}");
    }
    let count = answers
        .iter()
        .filter(|(_, outcome)| outcome == "ok")
        .count();
    assert!(count >= 6, "{answers:?}");
}

#[test]
fn a_status_for_servers_alone_is_the_fault_of_the_worker() {
    let folder = Folder::new();
    folder.worker("w", "probe", "");
    let server = folder.start(&["serve", "w"]);
    for status in [100, 101, 103, 199] {
        assert_eq!(server.get(&format!("/status?{status}")).status, 500);
        let item = server.item();
        assert_eq!(item["outcome"], "exception");
        let message = item["exceptions"][0]["message"].as_str().unwrap();
        assert!(
            message.contains(&format!("the status {status}")),
            "{message}"
        );
    }
}
