//! What a guest says and how it is recorded.

use serde_json::{Value, json};
use std::sync::Arc;
use taffrail_runtime::{FetchResult, WorkerSettings};
use taffrail_tests::scenario::{self, Answer, Scenario, full, json, logs, request};
use taffrail_trace::{Outcome, TraceItem};

const LOG_LIMIT: &str = "warn Log size limit exceeded: More than 256KB of data (across \
    console.log statements, exception, request metadata and headers) was logged during a single \
    request. Subsequent data for this request will not be recorded in logs, appear when tailing \
    this Worker's logs, or in Tail Workers.";

/// Sends one request to a guest of that name: what the client got, and what
/// was recorded.
async fn run(guest: &str, path: &str) -> (Answer, Arc<TraceItem>) {
    let scenario = Scenario::new().worker(guest);
    let answer = scenario.get(guest, path).await;
    (answer, scenario.item(guest))
}

async fn logs_of(guest: &str, path: &str) -> Vec<String> {
    logs(&run(guest, path).await.1)
}

/// Level and arguments of each log entry.
fn entries(item: &TraceItem) -> Value {
    let logs = json(item)["logs"].take();
    let logs = logs.as_array().unwrap().iter();
    logs.map(|log| json!([log["level"], log["message"]]))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_in_several_writes_is_one_entry() {
    assert_eq!(
        logs_of("probe", "/output/pieces").await,
        [
            "log a line in pieces",
            "log and another",
            "error so on stderr"
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_last_line_without_newline_is_an_entry() {
    assert_eq!(
        logs_of("probe", "/output/unfinished").await,
        ["log whole", "log no newline", "error none here"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_utf8_is_replaced_and_a_split_character_is_whole() {
    assert_eq!(
        logs_of("probe", "/output/bytes").await,
        [
            "log grüße",
            "log broken \u{fffd}\u{fffd} here",
            "log cut \u{fffd}"
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn stdout_and_stderr_are_told_apart_and_keep_their_order() {
    assert_eq!(
        logs_of("probe", "/output/interleaved").await,
        ["log out 1", "error err 1", "log out 2", "error err 2"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_end_with_lf_or_crlf() {
    assert_eq!(
        logs_of("probe", "/output/breaks").await,
        ["log dos", "log ", "log mac\rold", "log end"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wasi_0_3_guest_is_heard_too() {
    let (_, item) = run("probe-p3", "/lines").await;
    assert_eq!(
        logs(&item),
        ["error on stderr", "log half a line", "log no newline"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_invocations_say_at_the_same_time_is_never_mixed_up() {
    let scenario = Scenario::new().worker("hello").worker("hello-p3");
    let ask = async |worker: &str, from: u32| {
        for number in from..from + 50 {
            let request = request(&format!("/{number}"), full(""));
            scenario.stream(worker, request).await;
        }
    };
    tokio::join!(
        ask("hello", 0),
        ask("hello", 50),
        ask("hello-p3", 100),
        ask("hello-p3", 150)
    );
    scenario.idle().await;
    let items = scenario.items();
    assert_eq!(items.len(), 200);
    for item in items {
        let url = json(&item)["event"]["request"]["url"].clone();
        let path = url.as_str().unwrap().strip_prefix("http://localhost");
        assert_eq!(logs(&item), [format!("log Hello, GET {}", path.unwrap())]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_lines_keep_their_order_and_their_times() {
    let (_, item) = run("probe", "/output/many?1000").await;
    let expected: Vec<_> = (0..1000)
        .map(|number| format!("log line {number}"))
        .collect();
    assert_eq!(logs(&item), expected);
    let mut times = vec![item.event_timestamp.unwrap()];
    times.extend(item.logs.iter().map(|log| log.timestamp));
    assert!(times.is_sorted(), "{times:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn console_calls_keep_level_and_arguments() {
    let (_, item) = run("probe", "/output/console").await;
    assert_eq!(
        entries(&item),
        json!([
            ["debug", ["debugging"]],
            ["info", [1, 2.5, null, true]],
            ["log", [{ "user": { "id": 7 }, "tags": ["a", "b"] }]],
            ["warn", ["not json", "{broken", 3]],
            ["error", [{ "a": 1, "b": "c\nd" }]],
            ["log", []],
        ])
    );
    let line = serde_json::to_string(&*item).unwrap();
    assert!(!line.contains(['\n', '\r']), "an item is one line: {line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn wasi_logging_keeps_its_levels() {
    let (_, item) = run("probe", "/output/logging").await;
    assert_eq!(
        entries(&item),
        json!([
            ["debug", ["Level::Trace"]],
            ["debug", ["Level::Debug"]],
            ["info", ["Level::Info"]],
            ["warn", ["Level::Warn"]],
            ["error", ["Level::Error"]],
            ["error", ["Level::Critical"]],
            ["info", ["db", "connected to \"main\""]],
        ])
    );
    let (_, item) = run("probe", "/output/bare-logging").await;
    assert_eq!(
        entries(&item),
        json!([["warn", ["old", "without a version"]]])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reported_exception_leaves_the_outcome_alone() {
    let (answer, item) = run("probe", "/output/exceptions").await;
    assert_eq!(answer.status, Some(200));
    assert_eq!(item.outcome, Outcome::Ok);
    assert_eq!(logs(&item), ["log before", "log after"]);
    let times: Vec<_> = item.exceptions.iter().map(|e| e.timestamp).collect();
    assert!(times[0] >= item.logs[0].timestamp && times[1] <= item.logs[1].timestamp);
    assert_eq!(
        json(&item)["exceptions"],
        json!([
            { "timestamp": times[0], "name": "RangeError", "message": "out of range" },
            {
                "timestamp": times[1],
                "name": "Error",
                "message": "",
                "stack": "    at f (app.js:3:4)\n    at g (app.js:5:6)",
            },
        ])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_uncaught_exception_decides_the_outcome_and_is_there_once() {
    let (answer, item) = run("probe", "/output/uncaught").await;
    assert_eq!(answer.status, Some(200));
    assert_eq!(item.outcome, Outcome::Exception);
    assert_eq!(
        json(&item)["exceptions"],
        json!([{
            "timestamp": item.exceptions[0].timestamp,
            "name": "TypeError",
            "message": "x is not a function",
            "stack": "    at handler (app.js:1:2)",
        }])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_aborts_ends_there_and_its_exception_has_the_stack() {
    let (answer, item) = run("probe", "/output/abort").await;
    assert_eq!(answer.status, None);
    assert_eq!(item.outcome, Outcome::Exception);
    let [exception] = &item.exceptions[..] else {
        panic!("{:?}", item.exceptions);
    };
    assert_eq!(
        (&*exception.name, &*exception.message),
        ("RangeError", "no such order")
    );
    let stack = exception.stack.as_deref().unwrap();
    assert!(stack.contains("output"), "{stack}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_can_ask_what_it_is_running() {
    let (answer, item) = run("probe", "/output/context").await;
    assert_eq!(
        answer.text(),
        format!("{} {{}} None []", item.invocation_id)
    );
    assert_eq!(item.invocation_id.len(), 32);
}

#[tokio::test(flavor = "multi_thread")]
async fn vars_are_configuration_and_environment() {
    let vars = [("COLOUR", "blue"), ("SIZE", "3")];
    let scenario = Scenario::new().deploy(
        "probe",
        WorkerSettings {
            vars: vars.map(|(name, value)| (name.into(), value.into())).into(),
            ..WorkerSettings::new("probe")
        },
    );
    let answer = scenario.get("probe", "/output/vars").await;
    assert_eq!(
        answer.text(),
        format!("Some(\"blue\") None {vars:?} {vars:?}")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_logs_is_cut_with_a_mark_and_counted() {
    let (answer, item) = run("faulty", "/flood").await;
    assert_eq!(answer.text(), "flooded\n");
    assert_eq!(item.outcome, Outcome::Ok);

    let request = "http://localhost/flood".len() + "host".len() + "localhost".len();
    let line = 80 + r#"[""]"#.len() + 127;
    let kept = (262_144 - request) / line;
    let logs = logs(&item);
    assert_eq!(logs.len(), kept + 1);
    assert_eq!(logs[kept - 1], format!("log {:0127}", kept - 1));
    assert_eq!(logs[kept], LOG_LIMIT);
    assert_eq!(
        json(&item)["dropped"],
        json!({ "logs": 8192 - kept, "exceptions": 0, "diagnosticsChannelEvents": 0 })
    );
    assert!(item.truncated);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exception_after_a_flood_is_recorded_if_there_is_room_for_it() {
    let (_, item) = run("probe", "/fault/flood?60000").await;
    assert_eq!(item.outcome, Outcome::Exception);
    assert_eq!(logs(&item).len(), 5);
    assert_eq!(logs(&item)[4], LOG_LIMIT);
    assert_eq!(item.exceptions.len(), 1);
    assert_eq!(item.exceptions[0].message, "drowned");

    let (_, item) = run("probe", "/fault/flood?100").await;
    assert_eq!(item.outcome, Outcome::Exception);
    assert_eq!(
        json(&item)["exceptions"],
        json!([{
            "timestamp": item.exceptions[0].timestamp,
            "name": "Error",
            "message": "Trace resource limit exceeded; subsequent exceptions not recorded.",
        }])
    );
    assert_eq!(item.dropped.unwrap().exceptions, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_longer_than_the_limit_is_dropped_whole() {
    let (_, item) = run("probe", "/output/long?300000").await;
    assert_eq!(logs(&item), [LOG_LIMIT]);
    assert_eq!(item.dropped.unwrap().logs, 1);
    let (_, item) = run("probe", "/output/long?262000").await;
    assert_eq!(item.logs[0].message[0].get().len(), 262_002);
    assert!(!item.truncated);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_larger_than_the_limit_keeps_its_method_alone() {
    let scenario = Scenario::new().worker("hello");
    let cf = serde_json::value::to_raw_value(&"x".repeat(300_000)).unwrap();
    let result = scenario
        .runtime()
        .fetch("hello", request("/", full("")), Some(cf))
        .await
        .unwrap();
    let FetchResult::Response(response) = result else {
        panic!("no response");
    };
    scenario::read(response).await;
    scenario.idle().await;
    let item = scenario.item("hello");
    assert_eq!(
        json(&item)["event"],
        json!({
            "request": { "url": "", "method": "GET", "headers": {} },
            "response": { "status": 200 },
        })
    );
    assert_eq!(
        logs(&item),
        [
            "warn Trace resource limit exceeded; could not capture event info.",
            "log Hello, GET /"
        ]
    );
    assert!(item.truncated);
}
