//! Clients of `taffrail serve` that go away, are slow, or are many.

use std::fs;
use std::thread;
use std::time::Duration;
use taffrail_tests::client::Client;
use taffrail_tests::process::{Folder, PATIENCE, Server};

fn serve(guest: &str) -> Server {
    let folder = Folder::new();
    folder.worker("w", guest, "");
    folder.start(&["serve", "w"])
}

/// A client whose request is under way: the Worker waits for its body.
fn waiting(server: &Server, path: &str) -> Client {
    let mut client = Client::connect(server.address);
    client.send(format!(
        "POST {path} HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\nexpect: 100-continue\r\n\r\n"
    ));
    assert_eq!(client.head().status, 100);
    client
}

/// A client that has sent half a request body and has got half a response.
fn half_echoed(server: &Server, path: &str) -> Client {
    let mut client = Client::connect(server.address);
    client.send(format!(
        "POST {path} HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nab"
    ));
    assert_eq!(client.head().status, 200);
    assert_eq!(client.piece(), b"ab");
    client
}

/// A client that reads the beginning of a response without end.
fn reading(server: &Server, path: &str) -> Client {
    let mut client = Client::connect(server.address);
    client.send(format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n"));
    assert_eq!(client.head().status, 200);
    assert!(!client.piece().is_empty());
    client
}

fn outcome_of_next(server: &Server) -> String {
    let item = server.item();
    let url = item["event"]["request"]["url"].as_str().unwrap();
    let path = url.strip_prefix("http://a").unwrap();
    format!("{path} {}", item["outcome"].as_str().unwrap())
}

#[test]
fn a_client_that_leaves_before_the_response_cancels() {
    let server = serve("probe");
    drop(waiting(&server, "/work/wait"));
    assert_eq!(outcome_of_next(&server), "/work/wait canceled");
}

#[test]
fn a_client_that_leaves_in_the_middle_of_its_request_cancels() {
    let server = serve("probe");
    let mut client = waiting(&server, "/work/wait");
    client.send("ab");
    drop(client);
    assert_eq!(outcome_of_next(&server), "/work/wait canceled");
}

#[test]
fn a_client_that_leaves_in_the_middle_of_the_response_cancels() {
    let server = serve("probe");
    drop(reading(&server, "/body/endless"));
    assert_eq!(outcome_of_next(&server), "/body/endless canceled");
}

#[test]
fn a_client_that_leaves_in_the_middle_of_both_cancels() {
    let server = serve("probe");
    drop(half_echoed(&server, "/body/echo"));
    assert_eq!(outcome_of_next(&server), "/body/echo canceled");
}

#[test]
fn clients_of_a_worker_of_wasi_0_3_cancel_in_the_same_way() {
    let server = serve("probe-p3");
    drop(waiting(&server, "/wait"));
    assert_eq!(outcome_of_next(&server), "/wait canceled");
    drop(reading(&server, "/endless"));
    assert_eq!(outcome_of_next(&server), "/endless canceled");
    drop(half_echoed(&server, "/echo"));
    assert_eq!(outcome_of_next(&server), "/echo canceled");
}

/// A client that has its response; the Worker goes on until the request ends.
fn answered(server: &Server, path: &str) -> Client {
    let mut client = Client::connect(server.address);
    client.send(format!(
        "POST {path} HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nab"
    ));
    assert_eq!(client.head().status, 200);
    assert_eq!(client.piece(), b"done");
    assert_eq!(client.piece(), b"");
    client
}

#[test]
fn a_client_that_leaves_after_the_response_cancels_nothing() {
    for (guest, path) in [("probe", "/work/behind"), ("probe-p3", "/behind")] {
        let server = serve(guest);
        for stays in [true, false] {
            let mut client = answered(&server, path);
            client.send("cd");
            let client = stays.then_some(client);
            assert_eq!(outcome_of_next(&server), format!("{path} ok"));
            drop(client);
        }
    }
}

#[test]
fn a_worker_that_goes_on_is_told_that_its_client_left() {
    let server = serve("probe");
    drop(answered(&server, "/work/behind"));
    assert_eq!(outcome_of_next(&server), "/work/behind canceled");
}

#[test]
fn clients_that_are_too_slow_are_let_go() {
    let server = serve("hello");
    let silent = Client::connect(server.address);
    let mut half = Client::connect(server.address);
    half.send("GET / HTTP/1.1\r\nhost: ");
    let mut idle = Client::connect(server.address);
    idle.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(idle.answer().status, 200);
    for mut client in [silent, half, idle] {
        assert_eq!(client.until_closed(), b"");
    }
    assert_eq!(server.get("/").status, 200);
}

#[test]
fn two_hundred_clients_at_once_are_served() {
    let server = serve("probe");
    let mut clients: Vec<_> = (0..200).map(|_| waiting(&server, "/work/wait")).collect();
    for client in &mut clients {
        client.send("last");
    }
    for client in &mut clients {
        let answer = client.answer();
        assert_eq!((answer.status, answer.body.as_str()), (200, "released"));
    }
    for _ in &clients {
        assert_eq!(outcome_of_next(&server), "/work/wait ok");
    }
}

/// Open files and threads of a process.
#[cfg(target_os = "linux")]
fn resources(server: &Server) -> (usize, usize) {
    let count = |what: &str| {
        let path = format!("/proc/{}/{what}", server.id());
        fs::read_dir(path).unwrap().count()
    };
    (count("fd"), count("task"))
}

#[cfg(target_os = "linux")]
#[test]
fn whatever_clients_do_nothing_is_left_of_it() {
    let server = serve("probe");
    assert_eq!(server.get("/status?200").status, 200);
    let before = resources(&server);
    let mut kept = Vec::new();
    for _ in 0..50 {
        kept.push(Client::connect(server.address));
        for nonsense in [
            "GARBAGE\r\n\r\n",
            "GET / HT",
            "POST / HTTP/1.1\r\ncontent-length: 9\r\n\r\n",
        ] {
            let mut client = Client::connect(server.address);
            client.send(nonsense);
            kept.push(client);
        }
        kept.extend([
            waiting(&server, "/work/wait"),
            half_echoed(&server, "/body/echo"),
            reading(&server, "/body/endless"),
        ]);
    }
    let (files, _) = resources(&server);
    assert!(files > before.0 + 200, "{files}");
    drop(kept);

    let mut after = resources(&server);
    for _ in 0..PATIENCE.as_secs() * 20 {
        if after.0 <= before.0 && after.1 <= before.1 {
            break;
        }
        thread::sleep(Duration::from_millis(50));
        after = resources(&server);
    }
    assert!(
        after.0 <= before.0 && after.1 <= before.1,
        "{before:?}, then {after:?}"
    );
    assert_eq!(server.get("/status?200").status, 200);
    let finished = server.terminate();
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    let canceled = finished
        .items()
        .iter()
        .filter(|item| item["outcome"] == "canceled")
        .count();
    assert_eq!(canceled, 150);
}
