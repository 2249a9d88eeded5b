//! How an invocation ends, as a client, a tail and an operator see it.

use serde_json::json;
use std::sync::Arc;
use taffrail_runtime::{Code, Compiler, ErrorKind, Limits, WorkerSettings};
use taffrail_tests::scenario::{Answer, Scenario, Upload, full, json, logs, read, request};
use taffrail_trace::{Outcome, TraceException, TraceItem};

async fn run(guest: &str, path: &str) -> (Answer, Arc<TraceItem>) {
    let scenario = Scenario::new().worker(guest);
    let answer = scenario.get(guest, path).await;
    (answer, scenario.item(guest))
}

/// The only exception of an item that ended with one.
fn exception(item: &TraceItem) -> &TraceException {
    assert_eq!(item.outcome, Outcome::Exception);
    assert_eq!(item.exceptions.len(), 1, "{:?}", item.exceptions);
    &item.exceptions[0]
}

/// A guest that fails before it answers: the client gets no response, and the
/// record tells why.
async fn check_failure(guest: &str, path: &str, name: &str, message: &str) -> Arc<TraceItem> {
    let (answer, item) = run(guest, path).await;
    assert_eq!(answer.failed, Some(Outcome::Exception), "{path}");
    let found = exception(&item);
    assert_eq!((&*found.name, &*found.message), (name, message), "{path}");
    assert!(found.timestamp >= item.event_timestamp.unwrap());
    assert_eq!(json(&item)["event"].get("response"), None, "{path}");
    item
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_never_decides_the_outcome() {
    for status in [200, 204, 304, 404, 418, 500, 503] {
        let (answer, item) = run("probe", &format!("/status?{status}")).await;
        assert_eq!(answer.status, Some(status));
        assert_eq!(item.outcome, Outcome::Ok, "{status}");
        assert_eq!(
            json(&item)["event"]["response"],
            json!({ "status": status })
        );
        assert!(item.exceptions.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_is_its_text_and_its_place() {
    let item = check_failure("probe", "/fault/panic", "panic", "it broke\n  in two lines").await;
    let stack = exception(&item).stack.as_deref().unwrap();
    let mut frames = stack.lines();
    let place = frames.next().unwrap();
    assert!(place.starts_with("    at probe/src/faults.rs:"), "{stack}");
    assert!(frames.all(|frame| frame.starts_with("    at ")), "{stack}");
    assert!(
        stack.contains("    at probe::faults::break_down ("),
        "{stack}"
    );
    let logs = logs(&item).join("\n");
    let text = "panicked at probe/src/faults.rs:";
    assert!(logs.contains(text), "{logs}");
    assert!(
        logs.contains("\nerror it broke\nerror   in two lines\n"),
        "{logs}"
    );

    check_failure("probe-p3", "/panic", "panic", "it broke\n  in two lines").await;
    check_failure("faulty", "/panic", "panic", "asked to panic").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backtrace_of_the_guests_own_is_no_part_of_the_panic() {
    let settings = WorkerSettings {
        vars: [("RUST_BACKTRACE".to_owned(), "full".into())].into(),
        ..WorkerSettings::new("probe")
    };
    let scenario = Scenario::new().deploy("probe", settings);
    scenario.get("probe", "/fault/panic").await;
    let item = scenario.item("probe");
    assert_eq!(exception(&item).message, "it broke\n  in two lines");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trap_is_named_and_its_stack_has_readable_names() {
    let table = [
        ("divide", "integer divide by zero", "probe::faults::divide"),
        (
            "bounds",
            "memory access out of bounds",
            "probe::faults::far_away",
        ),
        (
            "overflow",
            "call stack exhausted",
            "probe::faults::ackermann",
        ),
        (
            "deep",
            "stack overflow: memory access below address 0",
            "probe::faults::deep",
        ),
        (
            "deep-copies",
            "memory access out of bounds in a recursion: probably a stack overflow",
            "probe::faults::deep_copies",
        ),
    ];
    for (path, message, function) in table {
        let path = format!("/fault/{path}");
        let item = check_failure("probe", &path, "RuntimeError", message).await;
        let stack = exception(&item).stack.as_deref().unwrap();
        // What is inlined has frames of its own before it.
        let named = format!("    at {function} (");
        assert!(
            stack.lines().take(3).any(|line| line.starts_with(&named)),
            "{stack}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_panic_message_is_cut_and_not_lost() {
    let (_, item) = run("probe", "/fault/wordy").await;
    let message = &exception(&item).message;
    assert_eq!(*message, "words ".repeat(1000)[..4096]);
}

#[tokio::test(flavor = "multi_thread")]
async fn leaving_the_process_is_a_failure_unless_it_was_a_success() {
    check_failure(
        "probe",
        "/fault/exit?1",
        "RuntimeError",
        "exited with status 1",
    )
    .await;
    check_failure(
        "probe",
        "/fault/exit?0",
        "Error",
        "The handler returned without setting a response.",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_gives_no_response_has_failed() {
    check_failure(
        "probe",
        "/body/unset",
        "Error",
        "The handler returned without setting a response.",
    )
    .await;
    let refused = "The handler answered with the error ErrorCode::DestinationUnavailable instead of a response.";
    check_failure("probe", "/body/refused", "Error", refused).await;
    check_failure("probe-p3", "/refused", "Error", refused).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_without_a_fetch_handler_says_so() {
    let item = check_failure(
        "tail-log",
        "/",
        "Error",
        "Handler does not export a fetch() function.",
    )
    .await;
    assert_eq!(
        logs(&item),
        [
            "warn Received a FetchEvent but we lack a handler for FetchEvents. Did you remember to export a fetch() function?"
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_without_code_is_not_found_and_says_why() {
    let scenario = Scenario::new();
    let reason = "its build failed".to_owned();
    let missing = Code::Missing(reason.clone());
    let runtime = scenario.runtime();
    runtime
        .deploy(WorkerSettings::new("lost"), missing)
        .unwrap();
    let answer = scenario.get("lost", "/").await;
    assert_eq!(answer.failed, Some(Outcome::ScriptNotFound));
    let item = scenario.item("lost");
    assert_eq!(item.outcome, Outcome::ScriptNotFound);
    assert_eq!(
        item.exceptions[0].message,
        format!("Worker `lost` has no code to run: {reason}")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_does_not_exist_is_the_callers_mistake() {
    let scenario = Scenario::new();
    let result = scenario
        .runtime()
        .fetch("nobody", request("/", full("")), None);
    let error = result.await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::NotDeployed);
    assert_eq!(error.to_string(), "no Worker `nobody` is deployed");
    assert!(scenario.items().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_after_the_response_is_on_record_and_the_response_too() {
    for (guest, path) in [("probe", "/fault/late"), ("probe-p3", "/late")] {
        let scenario = Scenario::new().worker(guest);
        let (gate, body) = Upload::new();
        let response = scenario.open(guest, path, body).await;
        let answer = read(response).await;
        assert!(!answer.broken, "{guest}");
        drop(gate);
        scenario.idle().await;
        let item = scenario.item(guest);
        assert_eq!(exception(&item).message, "after the end");
        assert_eq!(json(&item)["event"]["response"], json!({ "status": 200 }));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_of_failures_fails_as_it_says() {
    let table = [
        ("/", Some(200), Outcome::Ok),
        ("/nowhere", Some(404), Outcome::Ok),
        ("/stderr", Some(200), Outcome::Ok),
        ("/late", Some(200), Outcome::Exception),
        ("/panic", None, Outcome::Exception),
        ("/exit", None, Outcome::Exception),
        ("/alloc", None, Outcome::ExceededMemory),
    ];
    for (path, status, outcome) in table {
        let (answer, item) = run("faulty", path).await;
        assert_eq!((answer.status, answer.broken), (status, false), "{path}");
        assert_eq!(item.outcome, outcome, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn more_invocations_than_the_host_has_room_for_are_shed_and_recorded() {
    const ROOM: usize = 1000;
    // More than the pool has, so that it is the pool that is short.
    let limits = Limits {
        instances: 2 * ROOM,
        ..Limits::default()
    };
    // A pool of its own, in which no other test has instances.
    let compiler = Compiler::new(None, u32::try_from(ROOM).unwrap()).unwrap();
    let scenario = Scenario::built(|builder| builder.compiler(compiler)).deploy(
        "probe",
        WorkerSettings {
            limits,
            ..WorkerSettings::new("probe")
        },
    );
    let mut open = Vec::new();
    for _ in 0..ROOM {
        let (gate, body) = Upload::new();
        open.push((gate, scenario.open("probe", "/work/behind", body).await));
    }
    let answer = scenario
        .stream("probe", request("/status?200", full("")))
        .await;
    assert_eq!(answer.failed, Some(Outcome::LoadShed));
    let shed = scenario.item("probe");
    assert_eq!(
        shed.exceptions[0].message,
        "All instances of the process are taken."
    );
    // That is not a limit of the Worker.
    assert_eq!(shed.exceeded_limit, None);

    for (gate, response) in open {
        drop(gate);
        read(response).await;
    }
    scenario.idle().await;
    let answer = scenario.get("probe", "/status?200").await;
    assert_eq!(answer.status, Some(200));
    let mut items = scenario.items_of("probe");
    items.retain(|item| item.outcome == Outcome::Ok);
    assert_eq!(items.len(), ROOM + 1);
}
