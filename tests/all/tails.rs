//! What Tail Workers are told, and that nobody suffers from them.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;
use taffrail_runtime::{Binding, Code, Limits, Target, WorkerSettings};
use taffrail_tests::scenario::{Scenario, Upload, full, json, logs, read};
use taffrail_trace::{Outcome, TraceItem};

fn tailed(name: &str, tails: &[&str]) -> WorkerSettings {
    WorkerSettings {
        tail_consumers: tails.iter().map(|tail| Target::from(*tail)).collect(),
        ..WorkerSettings::new(name)
    }
}

fn with_vars(name: &str, vars: &[(&str, &str)]) -> WorkerSettings {
    WorkerSettings {
        vars: vars
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).into()))
            .collect(),
        ..WorkerSettings::new(name)
    }
}

/// A `hello` that is tailed by these.
fn hello(tails: &[&str]) -> Scenario {
    Scenario::new().worker_with_tails("hello", tails)
}

/// The lines that a tail logged, each of which is JSON.
fn told(item: &TraceItem) -> Vec<Value> {
    let lines = logs(item);
    let texts = lines.iter().map(|line| line.strip_prefix("log ").unwrap());
    texts
        .map(|text| serde_json::from_str(text).unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tail_may_use_what_a_producer_may_such_as_kv() {
    let settings = WorkerSettings {
        bindings: BTreeMap::from([("ITEMS".to_owned(), Binding::Kv("items".to_owned()))]),
        ..with_vars("tail-probe", &[("MODE", "keep")])
    };
    let scenario = hello(&["tail-probe"]).deploy("tail-probe", settings);
    scenario.get("hello", "/one").await;
    scenario.get("hello", "/two").await;
    let produced = scenario.items_of("hello");
    let [one, two] = &produced[..] else {
        panic!("two requests, and {} items", produced.len());
    };
    let kept = told(&scenario.items_of("tail-probe")[1]);
    let expected = json!({
        (one.invocation_id.as_str()): "http://localhost/one",
        (two.invocation_id.as_str()): "http://localhost/two",
    });
    assert_eq!(kept, [expected]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tail_is_called_once_for_each_invocation_with_its_item() {
    let scenario = hello(&["tail-probe"]).worker("tail-probe");
    for path in ["/one", "/two", "/three"] {
        scenario.get("hello", path).await;
    }
    let produced: Vec<_> = scenario
        .items_of("hello")
        .iter()
        .map(|item| json!([json(item)]))
        .collect();
    let received: Vec<_> = scenario
        .items_of("tail-probe")
        .iter()
        .map(|item| told(item)[0].clone())
        .collect();
    assert_eq!(produced.len(), 3);
    assert_eq!(received, produced);
}

/// Items without the ids of their trace, which the typed record does not have.
fn typed(items: &Value) -> Value {
    let mut items = items.clone();
    for item in items.as_array_mut().unwrap() {
        let item = item.as_object_mut().unwrap();
        for key in ["traceId", "spanId"] {
            assert!(item.remove(key).is_some(), "{key}");
        }
    }
    items
}

#[tokio::test(flavor = "multi_thread")]
async fn the_typed_record_says_the_same_as_the_json() {
    let scenario = Scenario::new()
        .worker_with_tails("probe", &["tail-probe"])
        .worker("tail-probe");
    for path in [
        "/output/console",
        "/output/exceptions",
        "/fault/divide",
        "/output/long?300000",
    ] {
        scenario.get("probe", path).await;
        let told = told(scenario.items_of("tail-probe").last().unwrap());
        assert_eq!(told[1], typed(&told[0]), "{path}");
        assert_eq!(
            told[0],
            json!([json(scenario.items_of("probe").last().unwrap())])
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tail_sees_secrets_only_if_it_asks() {
    let scenario = hello(&["tail-probe"]).worker("tail-probe");
    let url = "http://localhost/session/0123456789abcdef0123456789abcdef?card=4111111111111111";
    let request = http::Request::get(url)
        .header("accept", "text/html")
        .header("Cookie", "a=1")
        .header("cookie", "b=2")
        .header("x-api-key", "k")
        .header("authorization", "Bearer b")
        .body(bytes::Bytes::new())
        .unwrap();
    scenario.send("hello", request).await;
    let told = told(&scenario.item("tail-probe"));
    let redacted = json!({
        "url": "http://localhost/session/REDACTED?card=REDACTED",
        "method": "GET",
        "headers": {
            "accept": "text/html",
            "authorization": "REDACTED",
            "cookie": "REDACTED",
            "x-api-key": "REDACTED",
        },
    });
    assert_eq!(told[0][0]["event"]["request"], redacted);
    assert_eq!(told[1][0]["event"]["request"], redacted);
    assert_eq!(
        told[2],
        json!({
            "url": url,
            "method": "GET",
            "headers": {
                "accept": "text/html",
                "authorization": "Bearer b",
                "cookie": "a=1, b=2",
                "x-api-key": "k",
            },
        })
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn two_tails_both_get_the_item_and_one_listed_twice_gets_it_twice() {
    let scenario = hello(&["first", "second", "first"])
        .deploy("tail-probe", WorkerSettings::new("first"))
        .deploy("tail-probe", WorkerSettings::new("second"));
    scenario.get("hello", "/").await;
    let item = json!([json(&scenario.item("hello"))]);
    let received = |tail| -> Vec<_> {
        let items = scenario.items_of(tail);
        items.iter().map(|item| told(item)[0].clone()).collect()
    };
    assert_eq!(received("first"), [item.clone(), item.clone()]);
    assert_eq!(received("second"), [item]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tail_of_a_tail_is_told_whose_items_that_one_consumed() {
    let scenario = hello(&["near"])
        .deploy("tail-probe", tailed("near", &["far"]))
        .deploy("tail-probe", WorkerSettings::new("far"));
    scenario.get("hello", "/").await;
    let near = scenario.item("near");
    assert_eq!(
        json(&near)["event"],
        json!({ "consumedEvents": [{ "scriptName": "hello" }] })
    );
    let told = told(&scenario.item("far"));
    assert_eq!(told[0], json!([json(&near)]));
    assert_eq!(told[1], typed(&told[0]));
    assert_eq!(
        json(&scenario.item("far"))["event"],
        json!({ "consumedEvents": [{ "scriptName": "near" }] })
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_tails_itself_is_not_told_of_its_own_telling() {
    let scenario =
        hello(&["tail-probe"]).deploy("tail-probe", tailed("tail-probe", &["tail-probe"]));
    scenario.get("hello", "/").await;
    assert_eq!(scenario.item("tail-probe").outcome, Outcome::Ok);

    let scenario = hello(&["hello"]);
    scenario.get("hello", "/").await;
    let items = scenario.items();
    let outcome_of = |kind| {
        let mut items = items.iter();
        let item = items.find(|item| json(item)["event"].get(kind).is_some());
        item.map(|item| item.outcome)
    };
    assert_eq!(items.len(), 2);
    assert_eq!(outcome_of("request"), Some(Outcome::Ok));
    assert_eq!(outcome_of("consumedEvents"), Some(Outcome::Exception));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tail_that_fails_harms_nobody_and_its_own_item_says_how() {
    let scenario = hello(&[
        "panics", "loops", "greedy", "unbuilt", "deaf", "absent", "good",
    ])
    .deploy("tail-probe", with_vars("panics", &[("MODE", "panic")]))
    .deploy(
        "tail-probe",
        WorkerSettings {
            limits: Limits {
                cpu: Duration::from_millis(50),
                ..Limits::default()
            },
            ..with_vars("loops", &[("MODE", "loop")])
        },
    )
    .deploy(
        "tail-probe",
        WorkerSettings {
            limits: Limits {
                memory: 1 << 20,
                ..Limits::default()
            },
            ..WorkerSettings::new("greedy")
        },
    )
    .deploy("hello", WorkerSettings::new("deaf"))
    .deploy("tail-probe", WorkerSettings::new("good"));
    let unbuilt = Code::Missing("its build failed".to_owned());
    let runtime = scenario.runtime();
    runtime
        .deploy(WorkerSettings::new("unbuilt"), unbuilt)
        .unwrap();

    let answer = scenario.get("hello", "/").await;
    assert_eq!(answer.text(), "Hello from /\n");
    let producer = scenario.item("hello");
    assert_eq!(producer.outcome, Outcome::Ok);
    assert!(producer.exceptions.is_empty());
    let good = scenario.item("good");
    assert_eq!(good.outcome, Outcome::Ok);
    assert_eq!(told(&good)[0], json!([json(&producer)]));

    let table = [
        ("panics", Outcome::Exception, "the tail broke"),
        (
            "loops",
            Outcome::ExceededCpu,
            "Worker exceeded CPU time limit.",
        ),
        (
            "greedy",
            Outcome::ExceededMemory,
            "Worker exceeded memory limit.",
        ),
        (
            "unbuilt",
            Outcome::ScriptNotFound,
            "Worker `unbuilt` has no code to run: its build failed",
        ),
        (
            "deaf",
            Outcome::Exception,
            "Handler does not export a tail() function.",
        ),
    ];
    for (tail, outcome, message) in table {
        let item = scenario.item(tail);
        assert_eq!(item.outcome, outcome, "{tail}");
        assert_eq!(item.exceptions.len(), 1, "{tail}");
        assert_eq!(item.exceptions[0].message, message);
        assert_eq!(
            json(&item)["event"],
            json!({ "consumedEvents": [{ "scriptName": "hello" }] })
        );
    }
    assert_eq!(
        logs(&scenario.item("deaf")),
        [
            "warn Attempted to send events but we lack a handler, did you remember to export a tail() function?"
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tail_that_is_deployed_later_is_told_from_then_on() {
    let scenario = hello(&["tail-probe"]);
    scenario.get("hello", "/before").await;
    assert_eq!(scenario.item("hello").outcome, Outcome::Ok);
    let scenario = scenario.worker("tail-probe");
    scenario.get("hello", "/after").await;
    let told = told(&scenario.item("tail-probe"));
    assert_eq!(
        told[0][0]["event"]["request"]["url"],
        "http://localhost/after"
    );
}

/// Everything runs on one thread, so a tail would have been called when the
/// test has given way often enough.
#[tokio::test]
async fn a_tail_is_told_when_the_response_has_ended_and_all_work_behind_it() {
    for (guest, path) in [("probe", "/work/behind"), ("probe-p3", "/behind")] {
        let scenario = Scenario::new()
            .worker_with_tails(guest, &["tail-probe"])
            .worker("tail-probe");
        let (gate, body) = Upload::new();
        let response = scenario.open(guest, path, body).await;
        give_way().await;
        assert_eq!(read(response).await.text(), "done");
        give_way().await;
        assert!(
            scenario.items().is_empty(),
            "{guest}: the guest still works"
        );
        drop(gate);
        scenario.idle().await;
        let expected = ["log response is complete", "log work behind it is done"];
        assert_eq!(logs(&scenario.item(guest)), expected);
        let told = told(&scenario.item("tail-probe"));
        assert_eq!(told[0], json!([json(&scenario.item(guest))]));
    }
    let scenario = hello(&["tail-probe"]).worker("tail-probe");
    let response = scenario.open("hello", "/", full("")).await;
    give_way().await;
    assert!(scenario.items().is_empty(), "the response is not read yet");
    read(response).await;
    scenario.idle().await;
    assert_eq!(scenario.item("tail-probe").outcome, Outcome::Ok);
}

async fn give_way() {
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
}
