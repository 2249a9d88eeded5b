//! Whole items, key by key, with what differs between runs replaced.

use serde_json::{Value, json};
use taffrail_runtime::WorkerSettings;
use taffrail_tests::scenario::{Scenario, json};
use taffrail_trace::TraceItem;

/// The JSON of an item with every time and the memory replaced by 1 and the
/// id by its length.
fn normalised(item: &TraceItem) -> Value {
    let mut item = json(item);
    for key in ["eventTimestamp", "cpuTime", "wallTime"] {
        assert!(item[key].is_u64(), "{item}");
        item[key] = 1.into();
    }
    for list in ["logs", "exceptions"] {
        for entry in item[list].as_array_mut().unwrap() {
            assert!(entry["timestamp"].is_u64(), "{entry}");
            entry["timestamp"] = 1.into();
        }
    }
    assert!(item["peakMemory"].is_u64(), "{item}");
    item["peakMemory"] = 1.into();
    let id = item["invocationId"].as_str().unwrap().to_owned();
    assert!(id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
    // Nobody called it.
    assert_eq!(item["requestId"], id);
    // It begins a trace, whose id is its own.
    assert_eq!(item["traceId"], id);
    item["spanId"] = item["spanId"].as_str().unwrap().len().into();
    for key in ["invocationId", "requestId", "traceId"] {
        item[key] = id.len().into();
    }
    item
}

async fn recorded(guest: &str, path: &str) -> Value {
    let scenario = Scenario::new().worker(guest);
    scenario.get(guest, path).await;
    normalised(&scenario.item(guest))
}

fn hello(script_name: &str) -> Value {
    json!({
        "wallTime": 1,
        "cpuTime": 1,
        "truncated": false,
        "executionModel": "stateless",
        "outcome": "ok",
        "scriptName": script_name,
        "diagnosticsChannelEvents": [],
        "exceptions": [],
        "logs": [{ "timestamp": 1, "level": "log", "message": ["Hello, GET /there"] }],
        "eventTimestamp": 1,
        "event": {
            "request": {
                "url": "http://localhost/there?q=1",
                "method": "GET",
                "headers": { "host": "localhost" },
            },
            "response": { "status": 200 },
        },
        "invocationId": 32,
        "requestId": 32,
        "traceId": 32,
        "spanId": 16,
        "peakMemory": 1,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_of_a_wasi_0_2_worker() {
    assert_eq!(recorded("hello", "/there?q=1").await, hello("hello"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_of_a_wasi_0_3_worker() {
    assert_eq!(recorded("hello-p3", "/there?q=1").await, hello("hello-p3"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_of_a_worker_that_failed() {
    assert_eq!(
        recorded("probe", "/output/uncaught").await,
        json!({
            "wallTime": 1,
            "cpuTime": 1,
            "truncated": false,
            "executionModel": "stateless",
            "outcome": "exception",
            "scriptName": "probe",
            "diagnosticsChannelEvents": [],
            "exceptions": [{
                "timestamp": 1,
                "name": "TypeError",
                "message": "x is not a function",
                "stack": "    at handler (app.js:1:2)",
            }],
            "logs": [],
            "eventTimestamp": 1,
            "event": {
                "request": {
                    "url": "http://localhost/output/uncaught",
                    "method": "GET",
                    "headers": { "host": "localhost" },
                },
                "response": { "status": 200 },
            },
            "invocationId": 32,
        "requestId": 32,
        "traceId": 32,
        "spanId": 16,
            "peakMemory": 1,
        })
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_of_a_tail_worker() {
    let quiet = WorkerSettings {
        vars: [("MODE".to_owned(), "quiet".into())].into(),
        ..WorkerSettings::new("tail-probe")
    };
    let scenario = Scenario::new()
        .worker_with_tails("hello", &["tail-probe"])
        .deploy("tail-probe", quiet);
    scenario.get("hello", "/there").await;
    assert_eq!(
        normalised(&scenario.item("tail-probe")),
        json!({
            "wallTime": 1,
            "cpuTime": 1,
            "truncated": false,
            "executionModel": "stateless",
            "outcome": "ok",
            "scriptName": "tail-probe",
            "diagnosticsChannelEvents": [],
            "exceptions": [],
            "logs": [],
            "eventTimestamp": 1,
            "event": { "consumedEvents": [{ "scriptName": "hello" }] },
            "invocationId": 32,
        "requestId": 32,
        "traceId": 32,
        "spanId": 16,
            "peakMemory": 1,
        })
    );
}
