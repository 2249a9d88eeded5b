//! Items that are lost, and their counts.

use serde_json::Value;
use std::io::Read;
use std::process::Command;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;
use taffrail_runtime::{Code, Delivery, Runtime, TailBatch, WorkerSettings};
use taffrail_tests::client::{self, Client};
use taffrail_tests::process::{Finished, Folder, Server};
use taffrail_tests::scenario::{Endpoint, Scenario, full, request};
use taffrail_trace::{EventInfo, TraceItem};

/// What became of the items for a Tail Worker.
fn delivery(runtime: &Runtime, tail: &str) -> Delivery {
    let mut deliveries = runtime.deliveries().into_iter();
    deliveries.find(|row| row.consumer == tail).unwrap()
}

fn row(delivery: &Delivery) -> [u64; 4] {
    let Delivery {
        produced,
        delivered,
        lost,
        waiting,
        ..
    } = *delivery;
    [produced, delivered, lost, waiting]
}

/// How many items each call of a Tail Worker was given.
fn calls(items: &[Arc<TraceItem>]) -> Vec<usize> {
    let events = items.iter().map(|item| match &item.event {
        Some(EventInfo::Tail { consumed_events }) => consumed_events.len(),
        other => panic!("no tail event: {other:?}"),
    });
    events.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_while_hundreds_of_clients_ask() {
    const CLIENTS: usize = 256;
    const REQUESTS: usize = 12;
    let scenario = Arc::new(
        Scenario::new()
            .worker_with_tails("hello", &["tail-log"])
            .worker("tail-log"),
    );
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let scenario = Arc::clone(&scenario);
            tokio::spawn(async move {
                for _ in 0..REQUESTS {
                    // One that is refused has an item, too.
                    scenario.stream("hello", request("/", full(""))).await;
                }
            })
        })
        .collect();
    for client in clients {
        client.await.unwrap();
    }
    scenario.idle().await;
    let all = (CLIENTS * REQUESTS) as u64;
    assert_eq!(
        row(&delivery(scenario.runtime(), "tail-log")),
        [all, all, 0, 0]
    );
    let calls = calls(&scenario.items_of("tail-log"));
    assert_eq!(calls.iter().sum::<usize>() as u64, all);
    assert!(calls.iter().all(|items| (1..=32).contains(items)));
}

/// Counted from outside: the requests that a client has sent, and what the server has printed.
#[test]
fn nothing_is_lost_over_a_thousand_connections() {
    for (connections, requests) in [(64, 60), (1_000, 4)] {
        let folder = Folder::new();
        folder
            .worker("w", "hello", "tail_consumers = [{ service = \"t\" }]")
            .worker("t", "tail-log", "");
        let server = folder.start(&["serve", "w", "t", "--format", "json"]);
        let address = server.address;
        let open = Barrier::new(connections);
        thread::scope(|scope| {
            for _ in 0..connections {
                scope.spawn(|| {
                    let mut client = Client::connect(address);
                    open.wait();
                    for _ in 0..requests {
                        client.send("GET / HTTP/1.1\r\nhost: localhost\r\n\r\n");
                        // One that is refused has an item, too.
                        let status = client.answer().status;
                        assert!(matches!(status, 200 | 503), "{status}");
                    }
                });
            }
        });
        let finished = server.terminate();
        assert_eq!(finished.code, Some(0), "{}", finished.stderr);
        let items = finished.items();
        let told: Vec<_> = items
            .iter()
            .filter_map(|item| Some(item["event"]["consumedEvents"].as_array()?.len()))
            .collect();
        let all = connections * requests;
        assert_eq!(items.len() - told.len(), all, "{connections} connections");
        assert_eq!(told.iter().sum::<usize>(), all, "{connections} connections");
    }
}

/// A producer of `items` for a tail whose first 32 calls hang until all items
/// are there, and how many items each call was given.
async fn behind_a_backlog(max_batch: usize, items: usize) -> Vec<usize> {
    let mut endpoint = Endpoint::start().await;
    let vars = [("MODE", "fetch"), ("ENDPOINT", endpoint.url())];
    let settings = WorkerSettings {
        vars: vars.map(|(name, value)| (name.into(), value.into())).into(),
        tail_batch: TailBatch {
            items: max_batch,
            ..TailBatch::default()
        },
        ..WorkerSettings::new("tail-probe")
    };
    let scenario = Scenario::new()
        .worker_with_tails("hello", &["tail-probe"])
        .deploy("tail-probe", settings);
    let mut hanging = Vec::new();
    for index in 0..items {
        scenario.stream("hello", request("/", full(""))).await;
        if index < 32 {
            hanging.push(endpoint.next().await);
        }
    }
    let all = items as u64;
    let before = loop {
        let row = row(&delivery(scenario.runtime(), "tail-probe"));
        // The last invocation may end a little after its response.
        if row[0] == all {
            break row;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(before, [all, 0, 0, all]);
    endpoint.answer_all();
    let answer = |request: taffrail_tests::scenario::Received| {
        request.answer(http::StatusCode::OK);
    };
    hanging.into_iter().for_each(answer);
    scenario.idle().await;
    let after = delivery(scenario.runtime(), "tail-probe");
    assert_eq!(row(&after), [all, all, 0, 0]);
    calls(&scenario.items_of("tail-probe"))
}

#[tokio::test(flavor = "multi_thread")]
async fn items_go_together_only_while_they_wait_and_no_more_than_the_tail_wants() {
    let mut calls = behind_a_backlog(32, 32 + 100).await;
    calls.sort_unstable();
    assert_eq!(calls.iter().filter(|items| **items == 1).count(), 32);
    assert_eq!(&calls[32..], [4, 32, 32, 32]);
    let strict = behind_a_backlog(1, 32 + 10).await;
    assert_eq!(strict, [1; 42]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_tail_cannot_be_called_with_is_lost_for_a_true_reason() {
    let tails = ["absent", "unbuilt", "stopped", "deaf", "good"];
    let scenario = Scenario::new()
        .worker_with_tails("hello", &tails)
        .deploy("tail-log", WorkerSettings::new("stopped"))
        .deploy("hello", WorkerSettings::new("deaf"))
        .deploy("tail-log", WorkerSettings::new("good"));
    let runtime = scenario.runtime();
    let unbuilt = Code::Missing("its build failed".to_owned());
    runtime
        .deploy(WorkerSettings::new("unbuilt"), unbuilt)
        .unwrap();
    runtime.stop("stopped").unwrap();
    for _ in 0..3 {
        scenario.get("hello", "/").await;
    }
    for (tail, reason) in [
        ("absent", "it is not deployed"),
        ("unbuilt", "it has no code to run"),
        ("stopped", "it is stopped"),
    ] {
        let delivery = delivery(runtime, tail);
        assert_eq!(row(&delivery), [3, 0, 3, 0], "{tail}");
        assert_eq!(delivery.reasons, [(reason.to_owned(), 3)].into());
    }
    // How a tail deals with its items is its own affair.
    for tail in ["deaf", "good"] {
        assert_eq!(row(&delivery(runtime, tail)), [3, 3, 0, 0], "{tail}");
    }
}

/// A server in this folder whose stdout is what the shell makes of it.
fn redirected(folder: &Folder, script: &str, arguments: &[&str]) -> Server {
    let taffrail = folder.taffrail(arguments);
    let mut command = Command::new("sh");
    command
        .current_dir(folder.path())
        .args(["-c", script])
        .arg(taffrail.get_program())
        .args(taffrail.get_args())
        .args(["--port", "0"]);
    for (name, value) in taffrail.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    Server::spawn(command)
}

fn hello() -> Folder {
    let folder = Folder::new();
    folder.worker("w", "hello", "");
    folder
}

fn serve(folder: &Folder, script: &str, requests: usize) -> Server {
    let server = redirected(folder, script, &["serve", "w", "--format", "json"]);
    for _ in 0..requests {
        assert_eq!(server.get("/").status, 200);
    }
    server
}

fn last_line(finished: &Finished) -> &str {
    finished.stderr.lines().last().unwrap()
}

#[test]
fn a_full_disk_behind_stdout_is_told_and_counted() {
    let server = serve(&hello(), "exec \"$0\" \"$@\" > /dev/full", 5);
    server.until_stderr("stdout cannot be written to: No space left on device");
    let finished = server.terminate();
    assert_eq!(finished.code, Some(1), "{}", finished.stderr);
    let warning = "warning: tail consumer `stdout`: 5 of 5 item(s) lost: stdout cannot be written to: No space left on device (os error 28) (5)";
    assert_eq!(last_line(&finished), warning);
}

#[test]
fn a_closed_pipe_behind_stdout_is_told_once_and_counted() {
    let closed = "mkfifo p; exec 3<>p 4>p 3>&-; exec \"$0\" \"$@\" >&4 4>&-";
    let server = serve(&hello(), closed, 5);
    server.until_stderr("stdout is closed: items are no longer printed");
    let finished = server.terminate();
    assert_eq!(finished.code, Some(1));
    let warning = "warning: tail consumer `stdout`: 5 of 5 item(s) lost: stdout is closed (5)";
    assert_eq!(last_line(&finished), warning);
    assert!(!finished.stderr.contains("no longer printed"));
}

/// A server with more items for stdout than a pipe holds, whose other end
/// nothing reads.
fn unread() -> (Folder, Server) {
    let folder = hello();
    let unread = "mkfifo p; exec 3<>p; exec \"$0\" \"$@\" > p";
    let server = serve(&folder, unread, 400);
    (folder, server)
}

/// The items that were lost, of 400. A pipe holds 64 KiB.
fn lost(finished: &Finished) -> u64 {
    let line = last_line(finished);
    let line = line
        .strip_prefix("warning: tail consumer `stdout`: ")
        .unwrap();
    let (lost, rest) = line.split_once(" of 400 item(s) lost: ").unwrap();
    assert!(rest.starts_with("Taffrail stopped before it was written"));
    lost.parse().unwrap()
}

#[test]
fn a_pipe_that_nothing_reads_does_not_keep_the_process() {
    let (_folder, server) = unread();
    server.signal("TERM");
    server.until_stderr("Stopping");
    server.signal("TERM");
    let finished = server.finish();
    assert_eq!(finished.code, Some(1));
    assert!((1..400).contains(&lost(&finished)), "{}", finished.stderr);
}

#[test]
fn a_pipe_for_stderr_too_that_nothing_reads_does_not_keep_the_process() {
    let folder = hello();
    let (mut reader, writer) = std::io::pipe().unwrap();
    let mut taffrail = folder
        .taffrail(&["serve", "w", "--format", "json", "--port", "0"])
        .stdout(writer.try_clone().unwrap())
        .stderr(writer)
        .spawn()
        .unwrap();
    let address = loop {
        let line = read_line(&mut reader);
        if let Some((_, address)) = line.split_once("Ready on http://") {
            break address.parse().unwrap();
        }
    };
    for _ in 0..400 {
        assert_eq!(client::get(address, "/").status, 200);
    }
    // The first one may be told before the second one comes, or not.
    while taffrail.try_wait().unwrap().is_none() {
        let kill = Command::new("kill").arg(taffrail.id().to_string()).status();
        assert!(kill.unwrap().success());
        thread::sleep(Duration::from_millis(100));
    }
    drop(reader);
    assert_eq!(taffrail.wait().unwrap().code(), Some(1));
}

fn read_line(reader: &mut impl Read) -> String {
    let mut line = Vec::new();
    let mut byte = [0];
    while byte != *b"\n" {
        reader.read_exact(&mut byte).unwrap();
        line.extend(byte);
    }
    String::from_utf8(line).unwrap().trim_end().to_owned()
}

#[test]
fn status_shows_what_has_become_of_the_items() {
    let folder = Folder::new();
    let tails = "tail_consumers = [{ service = \"t\" }, { service = \"halted\" }]";
    // Otherwise the items that wait on a busy machine share a call, which has one item.
    let one = "taffrail.tail_batch.items = 1";
    folder
        .worker("w", "hello", tails)
        .worker("t", "tail-log", one)
        .worker("halted", "tail-log", one);
    let control = ["--control", "socket"];
    let server = folder.start(&[&["serve", "w", "t", "halted"], &control[..]].concat());
    let stop = folder.run(&[&["stop", "halted"], &control[..]].concat());
    assert_eq!(stop.code, Some(0), "{}", stop.stderr);
    for _ in 0..3 {
        assert_eq!(server.get("/").status, 200);
    }
    let status = [&["status"], &control[..]].concat();
    // What the tails are told is told a little later.
    let text = loop {
        let finished = folder.run(&[&status[..], &["--format", "json"]].concat());
        let rows: Vec<Value> = serde_json::from_str(&finished.stdout).unwrap();
        if rows[0]["produced"] == 9 && rows.iter().all(|row| row["waiting"] == 0) {
            break folder.run(&status).stdout;
        }
    };
    let rows: Vec<Vec<_>> = text
        .lines()
        .map(|line| line.split_whitespace().take(5).collect())
        .collect();
    assert_eq!(rows[1], ["stdout", "9", "9", "0", "0"], "{text}");
    assert_eq!(rows[2], ["halted", "3", "0", "3", "0"], "{text}");
    assert_eq!(rows[3], ["t", "3", "3", "0", "0"], "{text}");
    assert!(text.contains("it is stopped (3)"), "{text}");
    let finished = server.terminate();
    assert_eq!(finished.code, Some(1));
    let warning = "warning: tail consumer `halted`: 3 of 3 item(s) lost: it is stopped (3)";
    assert_eq!(last_line(&finished), warning);

    let finished = folder.run(&status);
    assert_eq!(finished.code, Some(1));
    assert!(finished.stderr.contains("nothing listens on `socket`"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_hanging_tail_leaves_at_the_end_is_counted() {
    let mut endpoint = Endpoint::start().await;
    let folder = Folder::new();
    let tails = "tail_consumers = [{ service = \"t\" }]";
    folder
        .worker("w", "hello", tails)
        .worker("t", "tail-http", "taffrail.tail_batch.items = 1");
    let var = format!("t.ENDPOINT:{}", endpoint.url());
    let server = folder.start(&["serve", "w", "t", "--var", &var, "--grace", "0"]);
    for _ in 0..100 {
        assert_eq!(server.get("/").status, 200);
    }
    let mut hanging = Vec::new();
    for _ in 0..32 {
        hanging.push(endpoint.next().await);
    }
    let finished = server.terminate();
    assert_eq!(finished.code, Some(1));
    let consumed = |item: Value| {
        item["event"]["consumedEvents"]
            .as_array()
            .map_or(0, Vec::len)
    };
    let delivered: usize = finished.items().into_iter().map(consumed).sum();
    let lost = 100 - delivered;
    assert!(lost > 0);
    let warning = format!("warning: tail consumer `t`: {lost} of 100 item(s) lost: ");
    assert!(finished.stderr.contains(&warning), "{}", finished.stderr);
}
