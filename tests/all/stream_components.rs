//! Components as streaming tails.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use taffrail_runtime::{Delivery, Target, WorkerSettings};
use taffrail_tests::scenario::{Endpoint, Received, Scenario, logs};
use taffrail_trace::{Outcome, TraceItem};
use tokio::task::JoinSet;

const SHORT: Duration = Duration::from_millis(200);

/// A producer, and a streaming tail in this mode and with this limit of CPU time.
fn streamed(guest: &str, mode: &str, cpu: Duration) -> Scenario {
    let settings = WorkerSettings {
        streaming_tail_consumers: vec![Target::from(guest)],
        ..WorkerSettings::new("trace-probe")
    };
    let mut tail = WorkerSettings::new(guest);
    tail.vars = BTreeMap::from([("MODE".to_owned(), mode.into())]);
    tail.limits.cpu = cpu;
    Scenario::new()
        .deploy("trace-probe", settings)
        .deploy(guest, tail)
}

async fn one(path: &str, mode: &str) -> (Arc<TraceItem>, Arc<TraceItem>) {
    let scenario = streamed("stream-probe", mode, SHORT);
    scenario.get("trace-probe", path).await;
    scenario.idle().await;
    (scenario.item("trace-probe"), scenario.item("stream-probe"))
}

/// What the tail logged, with ids as letters in the order in which they come.
fn events(tail: &TraceItem) -> Vec<String> {
    let mut ids = Vec::new();
    let mut named = |word: &str| {
        let is_id = word.len() == 16 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_id {
            return word.to_owned();
        }
        let place = ids.iter().position(|id| id == word).unwrap_or_else(|| {
            ids.push(word.to_owned());
            ids.len() - 1
        });
        char::from(b'A' + place as u8).to_string()
    };
    logs(tail)
        .iter()
        .map(|line| {
            let line = line.trim_start_matches("log ");
            line.split(' ')
                .map(&mut named)
                .collect::<Vec<_>>()
                .join(" ")
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn events_come_in_order_from_onset_to_outcome() {
    let (_, tail) = one("/spans?id=0123456789abcdef0123456789abcdef", "").await;
    assert_eq!(
        events(&tail),
        [
            "0 - onset trace-probe A GET http://localhost/spans?id=REDACTED http://localhost/spans?id=0123456789abcdef0123456789abcdef",
            "1 A span-open outer B",
            "2 B log \"in outer\"",
            "3 B span-open inner C",
            "4 C log \"in inner\"",
            "5 C span-close Outcome::Exception",
            "6 B log \"in outer again\"",
            "7 B attributes text=a count=9007199254740993 ratio=0.5 flag=true",
            "8 B span-close Outcome::Ok",
            "9 A return Some(200)",
            "10 A outcome Outcome::Ok",
            "dropped",
        ]
    );
    assert_eq!(tail.outcome, Outcome::Ok);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_comes_before_the_outcome() {
    let (_, tail) = one("/panic", "").await;
    let events = events(&tail);
    let last = &events[events.len() - 3..];
    assert!(
        last[0].contains("exception panic: within a span"),
        "{events:?}"
    );
    assert!(
        last[1].ends_with("outcome Outcome::Exception"),
        "{events:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn events_come_while_the_invocation_goes_on() {
    let scenario = streamed("stream-probe", "", SHORT);
    let mut endpoint = Endpoint::start().await;
    let path = format!("/within?{}", endpoint.url());
    let run = scenario.get("trace-probe", &path);
    let watch = async {
        let held = endpoint.next().await;
        let opened = || {
            let delivery = scenario.runtime().deliveries();
            delivery.iter().any(|delivery| delivery.waiting == 1)
        };
        assert!(opened(), "the stream is open while the request is");
        held.answer(http::StatusCode::OK);
    };
    tokio::join!(run, watch);
    scenario.idle().await;
    let tail = scenario.item("stream-probe");
    assert!(
        events(&tail)
            .iter()
            .any(|event| event.contains("span-open fetch"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_of_a_hundred_invocations_at_a_time_wait_and_are_not_lost() {
    const ALL: usize = 100;
    let scenario = Arc::new(streamed("stream-probe", "", Duration::from_secs(30)));
    let mut endpoint = Endpoint::start().await;
    let path = format!("/within?{}", endpoint.url());
    let mut requests = JoinSet::new();
    for _ in 0..ALL {
        let (scenario, path) = (Arc::clone(&scenario), path.clone());
        requests.spawn(async move { scenario.get("trace-probe", &path).await.status });
    }
    let mut held = Vec::new();
    while held.len() < ALL {
        held.push(endpoint.next().await);
    }
    let answer = |received: Received| received.answer(http::StatusCode::OK);
    held.into_iter().for_each(answer);
    assert_eq!(requests.join_all().await, [Some(200); ALL]);
    scenario.idle().await;
    let delivery = scenario.runtime().deliveries().remove(0);
    assert_eq!((delivery.delivered, delivery.lost), (ALL as u64, 0));
    let tails = scenario.items_of("stream-probe");
    assert_eq!(tails.len(), ALL);
    for tail in tails {
        let events = events(&tail);
        assert!(events[0].contains(" onset "), "{events:?}");
        assert!(events[events.len() - 2].contains(" outcome "), "{events:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tail_that_fails_or_spins_harms_only_its_own_stream() {
    for (guest, mode, outcome) in [
        ("stream-probe", "panic", Outcome::Exception),
        ("stream-probe", "panic-at-onset", Outcome::Exception),
        ("stream-probe", "loop", Outcome::ExceededCpu),
        ("stream-probe-p3", "panic", Outcome::Exception),
        ("stream-probe-p3", "loop", Outcome::ExceededCpu),
        ("stream-probe-p3", "leave", Outcome::Ok),
    ] {
        let scenario = streamed(guest, mode, SHORT);
        let answer = scenario.get("trace-probe", "/").await;
        assert_eq!(answer.text(), "ok");
        scenario.idle().await;
        assert_eq!(scenario.item("trace-probe").outcome, Outcome::Ok);
        assert_eq!(scenario.item(guest).outcome, outcome, "{guest} {mode}");
        let [delivery] = &scenario.runtime().deliveries()[..] else {
            panic!("there is one tail");
        };
        let Delivery {
            produced,
            delivered,
            lost,
            ..
        } = delivery;
        assert_eq!((*produced, *delivered, *lost), (1, 1, 0), "{mode}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_is_received_or_counted() {
    let scenario = streamed("stream-probe", "count", Duration::from_secs(30));
    scenario.get("trace-probe", "/many").await;
    scenario.idle().await;
    let tail = scenario.item("stream-probe");
    assert_eq!(tail.outcome, Outcome::Ok);
    let events = events(&tail);
    // An onset, three events for each span, a return and an outcome.
    let all = 1 + 3 * 10_000 + 2;
    let outcome = &events[events.len() - 2];
    let last: u64 = outcome.split(' ').next().unwrap().parse().unwrap();
    let dropped = events.iter().find(|event| event.contains(" dropped "));
    // A diagnostic has a number of its own.
    assert_eq!(last + 1 - u64::from(dropped.is_some()), all, "{events:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_wasi_03_the_events_are_a_stream() {
    let expected = [
        "log 0 onset",
        "log 1 span-open",
        "log 2 log",
        "log 3 span-open",
        "log 4 log",
        "log 5 span-close",
        "log 6 log",
        "log 7 attributes",
        "log 8 span-close",
        "log 9 return",
        "log 10 outcome",
        "log over",
    ];
    for (mode, expected) in [("", &expected[..]), ("one", &["log 0 onset", "log over"])] {
        let scenario = streamed("stream-probe-p3", mode, SHORT);
        scenario.get("trace-probe", "/spans").await;
        scenario.idle().await;
        let tail = scenario.item("stream-probe-p3");
        assert_eq!(tail.outcome, Outcome::Ok);
        assert_eq!(logs(&tail), expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_without_the_handler_is_told_so_and_ends_well() {
    let settings = WorkerSettings {
        streaming_tail_consumers: vec![Target::from("tail-probe")],
        ..WorkerSettings::new("trace-probe")
    };
    let scenario = Scenario::new()
        .deploy("trace-probe", settings)
        .worker("tail-probe");
    scenario.get("trace-probe", "/").await;
    scenario.idle().await;
    let tail = scenario.item("tail-probe");
    assert_eq!(tail.outcome, Outcome::Ok);
    assert_eq!(
        logs(&tail),
        [
            "warn A worker configured to act as a streaming tail worker does not export a tailStream() handler."
        ]
    );
}
