//! Spans of invocations, and the traces that they are part of.

use http::Request;
use std::sync::{Arc, Mutex};
use taffrail_runtime::{Binding, Builder, Egress, TailConsumer, Target, WorkerId, WorkerSettings};
use taffrail_tests::scenario::{Answer, Endpoint, Scenario, logs, request};
use taffrail_trace::{AttributeValue, Outcome, Span, TraceItem};

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// A consumer that wants spans.
#[derive(Default)]
struct Traced(Mutex<Vec<Arc<TraceItem>>>);

impl TailConsumer for Traced {
    fn deliver(&self, item: &Arc<TraceItem>) {
        self.0.lock().unwrap().push(Arc::clone(item));
    }

    fn wants_spans(&self, _: &WorkerId) -> bool {
        true
    }
}

/// A runtime whose spans are recorded.
fn traced(make: impl FnOnce(Builder) -> Builder) -> Scenario {
    Scenario::built(|builder| make(builder.tail_consumer(Arc::new(Traced::default()))))
}

fn continuing() -> Scenario {
    traced(|builder| builder.continue_traces(true))
}

/// A Worker with a KV namespace.
fn settings() -> WorkerSettings {
    let mut settings = WorkerSettings::new("trace-probe");
    let kv = Binding::Kv("of the test".to_owned());
    settings.bindings.insert("KV".to_owned(), kv);
    settings
}

async fn one(path: &str) -> (Answer, Arc<TraceItem>) {
    let scenario = traced(|builder| builder).deploy("trace-probe", settings());
    let answer = scenario.get("trace-probe", path).await;
    scenario.idle().await;
    (answer, scenario.item("trace-probe"))
}

fn named<'a>(item: &'a TraceItem, name: &str) -> &'a Span {
    let found = item.spans.iter().find(|span| span.name == name);
    found.unwrap_or_else(|| panic!("no span `{name}` in {:?}", item.spans))
}

fn attribute<'a>(span: &'a Span, name: &str) -> &'a AttributeValue {
    let mut attributes = span.attributes.iter();
    let found = attributes.find(|attribute| attribute.name == name);
    &found
        .unwrap_or_else(|| panic!("no attribute `{name}` of {span:?}"))
        .value
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_has_spans_of_its_own_within_each_other() {
    let (answer, item) = one("/spans").await;
    let (outer, inner) = (named(&item, "outer"), named(&item, "inner"));
    assert_eq!(Some(outer.parent_span_id), item.span_id);
    assert_eq!(inner.parent_span_id, outer.span_id);
    assert_eq!(
        (outer.outcome, inner.outcome),
        (Outcome::Ok, Outcome::Exception)
    );
    assert_eq!(
        *attribute(outer, "count"),
        AttributeValue::Integer(9_007_199_254_740_993)
    );
    assert_eq!(*attribute(outer, "flag"), AttributeValue::Boolean(true));
    assert!(outer.start <= inner.start && inner.end <= outer.end);
    let trace = item.trace_id.unwrap();
    assert_eq!(
        answer.text(),
        format!("{trace} {} true true", outer.span_id)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn spans_and_records_of_wasi_otel_are_part_of_the_invocation() {
    let (answer, item) = one("/otel").await;
    assert_eq!(answer.text(), item.trace_id.unwrap().to_string());
    let span = named(&item, "guest");
    assert_eq!(Some(span.parent_span_id), item.span_id);
    assert_eq!(span.span_id.to_string(), "00000000000000ab");
    assert_eq!(span.outcome, Outcome::Exception);
    assert_eq!(
        *attribute(span, "code"),
        AttributeValue::Text("x".to_owned())
    );
    assert_eq!(
        *attribute(span, "list"),
        AttributeValue::Text("[1,2]".to_owned())
    );
    assert_eq!(
        logs(&item),
        [
            "log in a span of wasi:otel",
            "warn [ \"from\",  \"otel\"] {\"broken\":\"{\",\"n\":1}",
            "log after it"
        ]
    );
    // Items are lines.
    assert!(!serde_json::to_string(&*item).unwrap().contains('\n'));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_10_000_spans_those_that_fit_are_recorded_and_the_others_counted() {
    let (_, item) = one("/many").await;
    let dropped = item.dropped.unwrap();
    assert_eq!(item.spans.len() as u64 + dropped.spans, 10_000);
    assert!(item.spans.len() > 1_000, "{}", item.spans.len());
    let AttributeValue::Text(text) = attribute(&item.spans[0], "text") else {
        panic!("it is text");
    };
    assert_eq!(text.len(), 4096);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_span_that_a_panic_leaves_open_is_canceled() {
    let (_, item) = one("/panic").await;
    assert_eq!(item.outcome, Outcome::Exception);
    assert_eq!(named(&item, "broken").outcome, Outcome::Canceled);
}

#[tokio::test(flavor = "multi_thread")]
async fn operations_on_kv_are_spans() {
    let (_, item) = one("/kv").await;
    let names: Vec<_> = item.spans.iter().map(|span| &*span.name).collect();
    assert_eq!(names, ["kv_put", "kv_get", "kv_list", "kv_delete"]);
    let put = named(&item, "kv_put");
    let text = |text: &str| AttributeValue::Text(text.to_owned());
    assert_eq!(*attribute(put, "cloudflare.binding.name"), text("KV"));
    assert_eq!(*attribute(put, "db.operation.name"), text("put"));
    assert_eq!(*attribute(put, "cloudflare.kv.query.keys"), text("k"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outgoing_request_is_a_span_and_carries_the_trace() {
    let scenario = continuing().deploy("trace-probe", settings());
    let mut endpoint = Endpoint::start().await;
    let path = format!(
        "/within?{}secret/0123456789abcdef0123456789abcdef",
        endpoint.url()
    );
    let get = |path: &str| {
        let mut request = request(path, bytes::Bytes::new());
        let headers = request.headers_mut();
        headers.insert("traceparent", PARENT.parse().unwrap());
        headers.insert("tracestate", "vendor=1".parse().unwrap());
        request
    };
    let (answer, received) = tokio::join!(scenario.send("trace-probe", get(&path)), async {
        let received = endpoint.next().await;
        let headers = received.headers.clone();
        received.answer(http::StatusCode::OK);
        headers
    });
    scenario.idle().await;
    let item = scenario.item("trace-probe");
    let (logs, exceptions) = (&item.logs, &item.exceptions);
    assert_eq!(answer.status, Some(200), "{logs:?} {exceptions:?}");
    let (within, fetch) = (named(&item, "within"), named(&item, "fetch"));
    assert_eq!(
        item.trace_id.unwrap().to_string(),
        "4bf92f3577b34da6a3ce929d0e0e4736"
    );
    assert_eq!(item.parent_span_id.unwrap().to_string(), "00f067aa0ba902b7");
    assert_eq!(Some(within.parent_span_id), item.span_id);
    assert_eq!(fetch.parent_span_id, within.span_id);
    assert_eq!(
        received["traceparent"].to_str().unwrap(),
        format!("00-4bf92f3577b34da6a3ce929d0e0e4736-{}-01", fetch.span_id)
    );
    assert_eq!(received["tracestate"], "vendor=1");
    assert_eq!(
        *attribute(fetch, "http.response.status_code"),
        AttributeValue::Integer(200)
    );
    let AttributeValue::Text(url) = attribute(fetch, "url.full") else {
        panic!("it is text");
    };
    assert!(url.ends_with("secret/REDACTED"), "{url}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_record_a_received_trace_is_passed_on_as_it_is_and_none_is_invented() {
    for (continues, expected) in [(true, Some(PARENT)), (false, None)] {
        let scenario = Scenario::built(|builder| builder.continue_traces(continues))
            .deploy("trace-probe", settings());
        let mut endpoint = Endpoint::start().await;
        let mut request = request(&format!("/fetch?{}", endpoint.url()), bytes::Bytes::new());
        let parent = PARENT.parse().unwrap();
        request.headers_mut().insert("traceparent", parent);
        let (_, received) = tokio::join!(scenario.send("trace-probe", request), async {
            let received = endpoint.next().await;
            let parent = received.headers.get("traceparent").cloned();
            received.answer(http::StatusCode::OK);
            parent
        });
        assert_eq!(
            received.as_ref().map(|parent| parent.to_str().unwrap()),
            expected
        );
        scenario.idle().await;
        assert!(scenario.item("trace-probe").spans.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_traceparent_begins_a_trace() {
    let scenario = continuing().deploy("trace-probe", settings());
    for parent in [
        "",
        "00-1-2-3",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "é",
    ] {
        let mut request: Request<_> = request("/", bytes::Bytes::new());
        let value = http::HeaderValue::from_bytes(parent.as_bytes()).unwrap();
        request.headers_mut().insert("traceparent", value);
        scenario.send("trace-probe", request).await;
    }
    scenario.idle().await;
    for item in scenario.items() {
        assert_eq!(item.parent_span_id, None);
        assert_ne!(
            item.trace_id.unwrap().to_string(),
            "4bf92f3577b34da6a3ce929d0e0e4736"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unsampled_trace_has_no_spans_and_neither_has_what_it_calls() {
    let scenario = traced(|builder| builder)
        .deploy(
            "trace-probe",
            WorkerSettings {
                trace_sampling_rate: 0.0,
                egress: Egress::Worker(Target::from("callee")),
                ..settings()
            },
        )
        .deploy(
            "trace-probe",
            WorkerSettings {
                name: "callee".to_owned(),
                ..settings()
            },
        );
    scenario.get("trace-probe", "/fetch?http://x/spans").await;
    scenario.get("callee", "/spans").await;
    scenario.idle().await;
    assert!(scenario.item("trace-probe").spans.is_empty());
    let callee = scenario.items_of("callee");
    let spans = callee.iter().map(|item| item.spans.len());
    assert_eq!(spans.collect::<Vec<_>>(), [0, 2]);
    let (caller, called) = (scenario.item("trace-probe"), &callee[0]);
    assert_eq!(caller.trace_id, called.trace_id);
    assert_eq!(called.parent_span_id, caller.span_id);
}
