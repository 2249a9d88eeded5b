//! What `taffrail serve` makes of requests, well-formed and otherwise.

use serde_json::Value;
use taffrail_tests::client::{Answer, Client};
use taffrail_tests::process::{Folder, Server};

fn serve(guest: &str) -> Server {
    let folder = Folder::new();
    folder.worker("w", guest, "");
    folder.start(&["serve", "w"])
}

/// Sends one request and reads the answer to it.
fn send(server: &Server, request: &str) -> Answer {
    let mut client = Client::connect(server.address);
    client.send(request);
    client.answer()
}

/// The URL that the Worker was given in a request.
fn url_of(server: &Server, request: &str) -> Value {
    assert_eq!(send(server, request).status, 200, "{request}");
    server.item()["event"]["request"]["url"].take()
}

/// The Worker answers, and the item on stdout is of that answer: whatever came
/// before did not reach it.
fn assert_untouched(server: &Server) {
    assert_eq!(server.get("/after").status, 200);
    let item = server.item();
    assert_eq!(
        item["event"]["request"]["url"], "http://localhost/after",
        "{item}"
    );
}

#[test]
fn what_is_no_http_is_refused_and_the_connection_closed() {
    let server = serve("hello");
    for nonsense in [
        "GARBAGE\r\n\r\n",
        "GET\r\n\r\n",
        "GET / HTTP/3.7\r\n\r\n",
        "GET / HTTP/1.1\r\nno colon\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\n folded: b\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\nb: \0\r\n\r\n",
        "GET ?a HTTP/1.1\r\nhost: a\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: many\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 99999999999999999999\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip\r\n\r\n",
        "\x16\x03\x01\x02\0\x01\0\x01\u{7f}",
    ] {
        let mut client = Client::connect(server.address);
        client.send(nonsense);
        assert_eq!(client.answer().status, 400, "{nonsense:?}");
        assert_eq!(client.until_closed(), b"", "{nonsense:?}");
    }
    assert_untouched(&server);
}

#[test]
fn a_head_may_have_128_kib() {
    let server = serve("hello");
    let with_header = |length: usize| {
        let mut client = Client::connect(server.address);
        let value = "x".repeat(length);
        let request = format!("GET /long HTTP/1.1\r\nhost: a\r\nx: {value}\r\n\r\n");
        // A server that has read enough need not read the rest.
        _ = client.try_send(&request);
        client.answer().status
    };
    assert_eq!(with_header(127 * 1024), 200);
    assert_eq!(server.item()["event"]["request"]["url"], "http://a/long");
    assert_eq!(with_header(128 * 1024), 431);
    assert_eq!(with_header(1024 * 1024), 431);
    assert_untouched(&server);
}

#[test]
fn a_head_may_have_100_headers() {
    let server = serve("hello");
    let with_headers = |count: usize| {
        let headers: String = (1..count)
            .map(|number| format!("x-{number}: a\r\n"))
            .collect();
        send(
            &server,
            &format!("GET /many HTTP/1.1\r\nhost: a\r\n{headers}\r\n"),
        )
        .status
    };
    assert_eq!(with_headers(100), 200);
    assert_eq!(server.item()["event"]["request"]["url"], "http://a/many");
    assert_eq!(with_headers(101), 431);
    assert_untouched(&server);
}

#[test]
fn a_url_that_is_too_long_is_refused() {
    let server = serve("hello");
    let path = "x".repeat(70_000);
    let answer = send(&server, &format!("GET /{path} HTTP/1.1\r\nhost: a\r\n\r\n"));
    assert_eq!(answer.status, 414);
    assert_untouched(&server);
}

#[test]
fn the_host_is_needed_once_and_well_formed() {
    let server = serve("hello");
    for (headers, problem) in [
        ("", "the request has no Host header\n"),
        (
            "host: a\r\nhost: a\r\n",
            "the request has more than one Host header\n",
        ),
        ("host:\r\n", "the Host header is malformed\n"),
        ("host: a b\r\n", "the Host header is malformed\n"),
        ("host: a/b\r\n", "the Host header is malformed\n"),
    ] {
        let answer = send(&server, &format!("GET / HTTP/1.1\r\n{headers}\r\n"));
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (400, problem),
            "{headers}"
        );
    }
    assert_untouched(&server);
}

#[test]
fn http_1_0_needs_no_host_and_closes() {
    let server = serve("hello");
    let mut client = Client::connect(server.address);
    client.send("GET /old HTTP/1.0\r\n\r\n");
    let answer = client.answer();
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (200, "Hello from /old\n")
    );
    let url = format!("http://{}/old", server.address);
    assert_eq!(server.item()["event"]["request"]["url"], url);
}

#[test]
fn a_target_has_one_of_three_forms() {
    let server = serve("hello");
    for (target, url) in [
        ("/p?q", "http://a/p?q"),
        ("http://b:1/p?q", "http://b:1/p?q"),
        ("http://b", "http://b/"),
        ("http://b?q", "http://b/?q"),
    ] {
        let request = format!("GET {target} HTTP/1.1\r\nhost: a\r\n\r\n");
        assert_eq!(url_of(&server, &request), url);
    }
    let options = "OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n";
    assert_eq!(url_of(&server, options), "http://a/");
    for target in ["*", "b:1", "b"] {
        let answer = send(
            &server,
            &format!("GET {target} HTTP/1.1\r\nhost: a\r\n\r\n"),
        );
        let problem = "the request target is malformed\n";
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (400, problem),
            "{target}"
        );
    }
    assert_untouched(&server);
}

#[test]
fn connect_is_refused() {
    let server = serve("hello");
    let answer = send(&server, "CONNECT b:443 HTTP/1.1\r\nhost: b:443\r\n\r\n");
    assert_eq!(answer.status, 400);
    assert_eq!(
        answer.body,
        "CONNECT is not supported: this server is not a proxy\n"
    );
    assert_untouched(&server);
}

#[test]
fn a_connection_serves_one_request_after_the_other() {
    let server = serve("probe");
    let mut client = Client::connect(server.address);
    for text in ["first", "second"] {
        let length = text.len();
        client.send(format!(
            "POST /body/echo HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n{text}"
        ));
        assert_eq!(client.answer().body, text);
    }
    client.send("GET /fault/panic HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(client.answer().status, 500);
    client.send("GET /status?204 HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    assert_eq!(client.answer().status, 204);
    assert_eq!(client.until_closed(), b"");
}

#[test]
fn requests_may_be_sent_before_the_answers_are_read() {
    let server = serve("hello");
    let mut client = Client::connect(server.address);
    let requests: String = (0..10)
        .map(|number| format!("GET /{number} HTTP/1.1\r\nhost: a\r\n\r\n"))
        .collect();
    client.send(&requests);
    for number in 0..10 {
        assert_eq!(client.answer().body, format!("Hello from /{number}\n"));
    }
}

#[test]
fn the_answer_to_head_has_no_body() {
    let server = serve("hello");
    let mut client = Client::connect(server.address);
    client.send("HEAD / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    assert_eq!(client.head().status, 200);
    assert_eq!(client.until_closed(), b"");
    assert_eq!(server.item()["outcome"], "ok");
}

#[test]
fn a_body_is_asked_for_when_the_worker_reads_it() {
    let server = serve("probe");
    let mut client = Client::connect(server.address);
    let head = "HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\nexpect: 100-continue\r\n\r\n";
    client.send(format!("POST /body/count {head}"));
    assert_eq!(client.head().status, 100);
    client.send("abc");
    assert_eq!(client.answer().body, "3");
}

#[test]
fn a_worker_sees_that_a_body_breaks_off_and_is_not_to_blame() {
    let server = serve("probe");
    for (headers, body) in [
        ("transfer-encoding: chunked", "3\r\nabc\r\nzzz\r\n"),
        ("transfer-encoding: chunked", "ffffffffffffffffff\r\n"),
    ] {
        let mut client = Client::connect(server.address);
        client.send(format!(
            "POST /body/count HTTP/1.1\r\nhost: a\r\n{headers}\r\n\r\n{body}"
        ));
        assert_eq!(client.answer().status, 400);
        assert_eq!(client.until_closed(), b"");
        let item = server.item();
        assert_eq!(item["outcome"], "canceled", "{item}");
        assert_eq!(item["exceptions"][0]["name"], "panic", "{item}");
    }
    assert_eq!(server.get("/status?200").status, 200);
}

#[test]
fn a_worker_that_needs_no_body_answers_although_it_breaks_off() {
    let server = serve("hello");
    for (headers, body) in [
        ("transfer-encoding: chunked", "zzz\r\n"),
        ("content-length: 10", "abc"),
    ] {
        let mut client = Client::connect(server.address);
        client.send(format!(
            "POST / HTTP/1.1\r\nhost: a\r\n{headers}\r\n\r\n{body}"
        ));
        assert_eq!(client.answer().body, "Hello from /\n");
        client.end();
        assert_eq!(client.until_closed(), b"");
        assert_eq!(server.item()["outcome"], "ok");
    }
}
