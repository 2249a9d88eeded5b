//! Tails that make others wait, or would, and what is lost on the way.

use http::{Method, StatusCode};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use taffrail_runtime::{Runtime, TailConsumer, WorkerSettings};
use taffrail_tests::scenario::{Endpoint, Scenario, full, json, logs, patiently, request};
use taffrail_trace::{Outcome, TraceItem};

/// Calls of one Tail Worker at a time.
const TOLD_AT_A_TIME: usize = 32;

/// A tail that prints what it was told, and then waits for an endpoint.
fn waiting_tail(scenario: Scenario, guest: &str, endpoint: &Endpoint) -> Scenario {
    let vars = [("MODE", "fetch"), ("ENDPOINT", endpoint.url())];
    scenario.deploy(
        guest,
        WorkerSettings {
            vars: vars.map(|(name, value)| (name.into(), value.into())).into(),
            ..WorkerSettings::new(guest)
        },
    )
}

fn told(item: &TraceItem) -> Value {
    let line = logs(item).remove(0);
    serde_json::from_str(line.strip_prefix("log ").unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_for_a_slow_tail() {
    let mut endpoint = Endpoint::start().await;
    let scenario = Scenario::new()
        .worker_with_tails("hello", &["tail-probe", "tail-log"])
        .worker("tail-log");
    let scenario = waiting_tail(scenario, "tail-probe", &endpoint);
    let mut waiting = Vec::new();
    for path in ["/one", "/two"] {
        let request = request(path, full(""));
        let answer = scenario.stream("hello", request).await;
        assert_eq!(answer.text(), format!("Hello from {path}\n"));
        // The next item does not go along with one whose call runs.
        waiting.push(endpoint.next().await);
    }
    assert_eq!(scenario.item_from("tail-log").await.outcome, Outcome::Ok);
    assert!(scenario.items_of("tail-probe").is_empty());
    assert!(scenario.runtime().pending() > 0);

    for request in waiting {
        request.answer(StatusCode::IM_A_TEAPOT);
    }
    scenario.idle().await;
    let items = scenario.items_of("tail-probe");
    assert_eq!(items.len(), 2);
    assert_eq!(logs(&items[0])[1], "log 418 I'm a teapot");
}

#[tokio::test(flavor = "multi_thread")]
async fn tail_http_posts_the_json_array_and_nothing_else() {
    let mut endpoint = Endpoint::start().await;
    let scenario = Scenario::new().worker_with_tails("hello", &["tail-http"]);
    let scenario = waiting_tail(scenario, "tail-http", &endpoint);
    let (_, received) = tokio::join!(scenario.get("hello", "/?q=1"), async {
        let received = endpoint.next().await;
        let shown = (
            received.method.clone(),
            received.headers["content-type"].clone(),
            received.body.clone(),
        );
        received.answer(StatusCode::NO_CONTENT);
        shown
    });
    let (method, content_type, body) = received;
    assert_eq!(method, Method::POST);
    assert_eq!(content_type, "application/json");
    let posted: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(posted, json!([json(&scenario.item("hello"))]));
    let tail = scenario.item("tail-http");
    assert_eq!(tail.outcome, Outcome::Ok);
    assert!(logs(&tail).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_fails_shows_in_the_item_of_the_tail() {
    let mut endpoint = Endpoint::start().await;
    let scenario = Scenario::new().worker_with_tails("hello", &["tail-http"]);
    let scenario = waiting_tail(scenario, "tail-http", &endpoint);
    let (answer, ()) = tokio::join!(scenario.get("hello", "/"), async {
        endpoint
            .next()
            .await
            .answer(StatusCode::SERVICE_UNAVAILABLE);
    });
    assert_eq!(answer.status, Some(200));
    let url = endpoint.url();
    assert_eq!(
        logs(&scenario.item("tail-http")),
        [format!("error {url} answered 503 Service Unavailable")]
    );

    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", nobody.local_addr().unwrap());
    drop(nobody);
    let settings = WorkerSettings {
        vars: [("ENDPOINT".to_owned(), url.clone().into())].into(),
        ..WorkerSettings::new("tail-http")
    };
    let scenario = scenario.deploy("tail-http", settings);
    scenario.get("hello", "/").await;
    let item = scenario.items_of("tail-http").pop().unwrap();
    assert_eq!(item.outcome, Outcome::Exception);
    let message = &item.exceptions[0].message;
    // A refused connection has two names.
    let names = ["ErrorCode::ConnectionRefused", "connection reset"];
    assert!(names.iter().any(|name| message.contains(name)), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_in_the_queue_is_counted_and_told() {
    const ITEM_BYTES: u64 = 200_000;
    let mut endpoint = Endpoint::start().await;
    let scenario = Scenario::new()
        .worker_with_tails("probe", &["tail-probe"])
        .worker_with_tails("hello", &["tail-probe"]);
    let scenario = waiting_tail(scenario, "tail-probe", &endpoint);
    let runtime = scenario.runtime();
    let delivery = || runtime.deliveries().remove(0);

    let mut waiting = Vec::new();
    let mut sent = 0;
    while delivery().lost < 40 {
        let path = format!("/output/long?{ITEM_BYTES}");
        let answer = scenario.stream("probe", request(&path, full(""))).await;
        assert_eq!(answer.status, Some(200));
        sent += 1;
        if waiting.len() < TOLD_AT_A_TIME {
            waiting.push(endpoint.next().await);
        }
    }
    // An item comes after its response. The last one must not find room in the queue again.
    patiently(async {
        while delivery().produced < sent {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let held = delivery().waiting * ITEM_BYTES;
    assert!((60 << 20..64 << 20).contains(&held), "{held}");
    endpoint.answer_all();
    waiting
        .into_iter()
        .for_each(|request| request.answer(StatusCode::OK));
    scenario.idle().await;
    scenario.get("hello", "/").await;

    let delivery = delivery();
    let produced = scenario.items_of("probe").len() as u64 + 1;
    assert_eq!(delivery.produced, produced);
    assert_eq!(delivery.delivered + delivery.lost, produced);
    let told_of = told(scenario.items_of("tail-probe").last().unwrap());
    assert_eq!(told_of[0]["scriptName"], "hello");
    assert_eq!(told_of[0]["lostItems"], delivery.lost);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_tail_is_not_there_to_be_told_is_counted_and_told_when_it_is() {
    let scenario = Scenario::new().worker_with_tails("hello", &["tail-probe"]);
    for _ in 0..2 {
        scenario.get("hello", "/").await;
    }
    let scenario = scenario.worker("tail-probe");
    for _ in 0..2 {
        scenario.get("hello", "/").await;
    }
    let told: Vec<_> = scenario
        .items_of("tail-probe")
        .iter()
        .map(|item| told(item)[0]["lostItems"].clone())
        .collect();
    assert_eq!(told, [json!(2), Value::Null]);
}

/// How many invocations and items are under way when the item of a producer
/// comes.
#[derive(Default)]
struct Pending {
    runtime: Mutex<Option<Runtime>>,
    seen: Mutex<Option<usize>>,
}

impl TailConsumer for Pending {
    fn deliver(&self, item: &Arc<TraceItem>) {
        let runtime = self.runtime.lock().unwrap();
        if let (Some("hello"), Some(runtime)) = (item.script.script_name.as_deref(), &*runtime) {
            *self.seen.lock().unwrap() = Some(runtime.pending());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_native_consumer_has_an_item_before_any_tail_can_have_it() {
    let consumer = Arc::new(Pending::default());
    let scenario = Scenario::with_consumers(vec![consumer.clone()])
        .worker_with_tails("hello", &["tail-log"])
        .worker("tail-log");
    *consumer.runtime.lock().unwrap() = Some(scenario.runtime().clone());
    scenario.get("hello", "/").await;
    // The producer itself; nothing is queued yet.
    assert_eq!(consumer.seen.lock().unwrap().take(), Some(1));
    let items = scenario.items();
    let names = items.iter().map(|item| item.script.script_name.as_deref());
    assert!(names.eq([Some("hello"), Some("tail-log")]));
    // It would keep itself.
    consumer.runtime.lock().unwrap().take();
}
