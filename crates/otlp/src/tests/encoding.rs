//! Items as OTLP has them.

use super::collector::Collector;
use super::{SPAN, TRACE, item, start};
use crate::signal::Signal;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use serde_json::{Value, json};
use std::sync::Arc;
use taffrail_trace::TraceItem;

const PARENT: &str = "00f067aa0ba902b7";
const CHILD: &str = "1111111111111111";

/// Sends an item, and returns the JSON that arrives.
async fn sent_json(signal: Signal, item: Arc<TraceItem>) -> Value {
    let collector = Collector::start([]).await;
    let variables = [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
        (
            "OTEL_RESOURCE_ATTRIBUTES",
            "service.instance.id=i,telemetry.sdk.version=0",
        ),
    ];
    let (exporter, _) = start(&collector.url, &variables, Vec::new);
    exporter.push(signal, item, None);
    exporter.flush().await;
    let message = &collector.received()[0];
    assert_eq!(message.headers["content-type"], "application/json");
    serde_json::from_slice(&message.body).unwrap()
}

/// Sends an item, and returns the spans that arrive.
async fn spans(item: Arc<TraceItem>) -> Vec<Span> {
    let collector = Collector::start([]).await;
    let (exporter, _) = start(&collector.url, &[], Vec::new);
    exporter.push(Signal::Traces, item, None);
    exporter.flush().await;
    let mut message: ExportTraceServiceRequest = collector.received()[0].decode();
    message.resource_spans.remove(0).scope_spans.remove(0).spans
}

async fn records(item: Arc<TraceItem>) -> Vec<LogRecord> {
    let collector = Collector::start([]).await;
    let (exporter, _) = start(&collector.url, &[], Vec::new);
    exporter.push(Signal::Logs, item, None);
    exporter.flush().await;
    let mut message: ExportLogsServiceRequest = collector.received()[0].decode();
    let mut logs = message.resource_logs.remove(0);
    logs.scope_logs.remove(0).log_records
}

fn value<'a>(attributes: &'a [KeyValue], name: &str) -> Option<&'a Any> {
    let found = attributes.iter().find(|attribute| attribute.key == name)?;
    found.value.as_ref()?.value.as_ref()
}

fn text<'a>(attributes: &'a [KeyValue], name: &str) -> &'a str {
    match value(attributes, name) {
        Some(Any::StringValue(text)) => text,
        other => panic!("{name}: {other:?}"),
    }
}

fn failed() -> Arc<TraceItem> {
    item(json!({
        "outcome": "exception",
        "parentSpanId": PARENT,
        "event": {
            "request": {
                "url": "https://shop.test:8443/cart?id=7",
                "method": "GET",
                "headers": {"user-agent": "curl", "authorization": "Bearer secret"},
            },
            "response": {"status": 500},
        },
        "exceptions": [{
            "timestamp": 1_700_000_000_020_u64,
            "name": "TypeError", "message": "no cart", "stack": "    at cart (a.js:1:2)",
        }],
        "spans": [{
            "spanId": CHILD, "parentSpanId": SPAN, "name": "fetch", "outcome": "ok",
            "startTime": 1_700_000_000_001.5, "endTime": 1_700_000_000_030.25,
            "attributes": [
                {"name": "http.request.method", "value": "POST"},
                {"name": "http.response.status_code", "value": 404},
            ],
        }],
    }))
}

/// The whole message, as the specification has it: ids are hexadecimal, 64-bit integers are
/// texts, enums are numbers.
#[tokio::test]
async fn traces_in_json_are_those_of_the_specification() {
    let mut sent = sent_json(Signal::Traces, failed()).await;
    let text = |name: &str, text: &str| json!({"key": name, "value": {"stringValue": text}});
    let int = |name: &str, int: &str| json!({"key": name, "value": {"intValue": int}});
    let double = |name: &str, value: f64| json!({"key": name, "value": {"doubleValue": value}});
    let spans = sent["resourceSpans"][0]["scopeSpans"][0]["spans"].take();
    let expected = json!([
        {
            "traceId": TRACE, "spanId": SPAN, "parentSpanId": PARENT, "traceState": "",
            "flags": 0x301, "name": "GET", "kind": 2,
            "startTimeUnixNano": "1700000000000000000",
            // That of the child, which ended later.
            "endTimeUnixNano": "1700000000030250000",
            "attributes": [
                text("faas.trigger", "http"),
                text("cloudflare.handler_type", "fetch"),
                text("http.request.method", "GET"),
                text("url.full", "https://shop.test:8443/cart?id=7"),
                text("user_agent.original", "curl"),
                text("url.scheme", "https"),
                text("url.path", "/cart"),
                text("url.query", "id=7"),
                text("server.address", "shop.test"),
                int("server.port", "8443"),
                int("http.response.status_code", "500"),
                text("faas.invocation_id", "11111111111111111111111111111111"),
                text("cloudflare.outcome", "exception"),
                double("cloudflare.cpu_time_ms", 3.0),
                double("cloudflare.wall_time_ms", 25.0),
                text("cloudflare.execution_model", "stateless"),
                text("taffrail.request_id", "11111111111111111111111111111111"),
                text("error.type", "TypeError"),
            ],
            "droppedAttributesCount": 0,
            "events": [{
                "timeUnixNano": "1700000000020000000", "name": "exception",
                "attributes": [
                    text("exception.type", "TypeError"),
                    text("exception.message", "no cart"),
                    text("exception.stacktrace", "    at cart (a.js:1:2)"),
                ],
                "droppedAttributesCount": 0,
            }],
            "droppedEventsCount": 0, "links": [], "droppedLinksCount": 0,
            "status": {"message": "no cart", "code": 2},
        },
        {
            "traceId": TRACE, "spanId": CHILD, "parentSpanId": SPAN, "traceState": "",
            "flags": 0x101, "name": "fetch", "kind": 3,
            "startTimeUnixNano": "1700000000001500000",
            "endTimeUnixNano": "1700000000030250000",
            "attributes": [
                text("http.request.method", "POST"),
                int("http.response.status_code", "404"),
                text("error.type", "404"),
            ],
            "droppedAttributesCount": 0, "events": [], "droppedEventsCount": 0,
            "links": [], "droppedLinksCount": 0,
            "status": {"message": "", "code": 2},
        },
    ]);
    assert_eq!(spans, expected);
    let attributes = &sent["resourceSpans"][0]["resource"]["attributes"];
    let expected = json!([
        text("service.name", "shop"),
        text("faas.name", "shop"),
        text("service.instance.id", "i"),
        text("telemetry.sdk.version", "0"),
        text("telemetry.sdk.name", "taffrail"),
        text("telemetry.sdk.language", "rust"),
    ]);
    assert_eq!(*attributes, expected);
}

#[tokio::test]
async fn logs_in_json_are_those_of_the_specification() {
    let logged = item(json!({"logs": [{
        "timestamp": 1_700_000_000_001_u64, "level": "warn",
        "message": ["slow", {"ms": 1234, "of": [true, 0.5]}],
    }]}));
    let sent = sent_json(Signal::Logs, logged).await;
    let record = &sent["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0];
    let expected = json!({
        "timeUnixNano": "1700000000001000000",
        "observedTimeUnixNano": "1700000000001000000",
        "severityNumber": 13, "severityText": "warn",
        "body": {"stringValue": "slow {\"ms\":1234,\"of\":[true,0.5]}"},
        "attributes": [
            {"key": "faas.invocation_id", "value": {"stringValue": "11111111111111111111111111111111"}},
            {"key": "ms", "value": {"intValue": "1234"}},
            {"key": "of", "value": {"arrayValue": {"values": [
                {"boolValue": true}, {"doubleValue": 0.5},
            ]}}},
        ],
        "droppedAttributesCount": 0, "flags": 1,
        "traceId": TRACE, "spanId": SPAN, "eventName": "",
    });
    assert_eq!(*record, expected);
}

#[tokio::test]
async fn exceptions_are_log_records_too() {
    let sent = records(failed()).await;
    let record = &sent[0];
    assert_eq!((sent.len(), record.severity_number), (1, 17));
    assert_eq!(record.event_name, "exception");
    assert_eq!(text(&record.attributes, "exception.message"), "no cart");
    let logged = item(json!({"logs": [{
        "timestamp": 1, "level": "error", "message": ["Error: no"],
        "errorInfo": [{"name": "RangeError", "message": "no", "stack": "at x"}],
    }]}));
    let sent = records(logged).await;
    let attributes = &sent[0].attributes;
    assert_eq!(text(attributes, "exception.type"), "RangeError");
    assert_eq!(text(attributes, "exception.stacktrace"), "at x");
}

#[tokio::test]
async fn each_kind_of_event_has_its_name_and_kind() {
    let request =
        |method| json!({"request": {"url": "http://h/", "method": method, "headers": {}}});
    for (event, name, kind, trigger) in [
        (request("GET"), "GET", SpanKind::Server, "http"),
        (request("get"), "HTTP", SpanKind::Server, "http"),
        (
            json!({"rpcMethod": "add"}),
            "add",
            SpanKind::Server,
            "other",
        ),
        (
            json!({"cron": "* * * * *", "scheduledTime": 1}),
            "scheduled",
            SpanKind::Internal,
            "timer",
        ),
        (
            json!({"queue": "orders", "batchSize": 3}),
            "process orders",
            SpanKind::Consumer,
            "pubsub",
        ),
        (
            json!({"consumedEvents": [{"scriptName": "a"}]}),
            "tail",
            SpanKind::Internal,
            "other",
        ),
        (json!({}), "custom", SpanKind::Internal, "other"),
    ] {
        let spans = spans(item(json!({"event": event}))).await;
        assert_eq!((&*spans[0].name, spans[0].kind()), (name, kind));
        assert_eq!(text(&spans[0].attributes, "faas.trigger"), trigger);
    }
}

#[tokio::test]
async fn a_failure_is_an_error_and_a_client_that_leaves_is_none() {
    let status = |fields| async move {
        let spans = spans(item(fields)).await;
        let status = spans[0].status.clone().unwrap();
        let kind = value(&spans[0].attributes, "error.type").cloned();
        (status.code(), kind)
    };
    let text = |text: &str| Some(Any::StringValue(text.to_owned()));
    let responded = |status: u16| {
        json!({"request": {"url": "http://h/", "method": "GET", "headers": {}},
            "response": {"status": status}})
    };
    assert_eq!(status(json!({})).await, (StatusCode::Unset, None));
    let canceled = json!({"outcome": "canceled"});
    assert_eq!(status(canceled).await, (StatusCode::Unset, None));
    let exceeded = json!({"outcome": "exceededCpu"});
    assert_eq!(
        status(exceeded).await,
        (StatusCode::Error, text("exceededCpu"))
    );
    let bad_gateway = json!({"event": responded(502)});
    assert_eq!(status(bad_gateway).await, (StatusCode::Error, text("502")));
    let not_found = json!({"event": responded(404)});
    assert_eq!(status(not_found).await, (StatusCode::Unset, None));
}

#[tokio::test]
async fn secrets_of_a_request_are_not_sent() {
    let collector = Collector::start([]).await;
    let (exporter, _) = start(&collector.url, &[], Vec::new);
    let secret = "0123456789abcdef0123456789abcdef";
    let request = taffrail_trace::RequestData::new(
        "GET",
        format!("http://shop.test/{secret}?token={secret}"),
        [("authorization", secret), ("cookie", secret)],
        None,
    );
    let mut item = Arc::unwrap_or_clone(item(json!({})));
    item.event = Some(taffrail_trace::EventInfo::Fetch {
        request: taffrail_trace::TailRequest::new(request),
        response: None,
    });
    exporter.push(Signal::Traces, Arc::new(item), None);
    exporter.flush().await;
    let body = &collector.received()[0].body;
    let text = String::from_utf8_lossy(body);
    assert!(text.contains("/REDACTED?token=REDACTED"), "{text}");
    assert!(!text.contains(secret), "{text}");
}

/// What a Worker logs neither becomes an attribute of another meaning, nor a message that a
/// decoder refuses.
#[tokio::test]
async fn what_a_worker_logs_stays_within_bounds() {
    let nested = |depth| {
        let open = "{\"a\":".repeat(depth);
        let text = format!("{open}1{}", "}".repeat(depth));
        serde_json::from_str::<Value>(&text).unwrap()
    };
    let many: serde_json::Map<_, _> = (0..1000)
        .map(|number| (format!("k{number}"), json!(number)))
        .collect();
    let logged = item(json!({"logs": [
        {"timestamp": 1, "level": "log", "message": [nested(100)]},
        {"timestamp": 2, "level": "log", "message": [many, {"k0": "again"}]},
        {"timestamp": 3, "level": "log", "message": [{
            "faas.invocation_id": "mine", "": 1, "none": null, "long": "x".repeat(1 << 20),
        }]},
    ]}));
    // To decode it is the test: decoders have limits of their own.
    let sent = records(logged).await;
    assert!(value(&sent[0].attributes, "a").is_some());
    assert_eq!(sent[1].attributes.len(), 128);
    assert_eq!(sent[1].dropped_attributes_count, 1000 - 127);
    let attributes = &sent[2].attributes;
    assert_eq!(
        text(attributes, "faas.invocation_id"),
        "11111111111111111111111111111111"
    );
    assert_eq!(text(attributes, "long").len(), 1 << 20);
    assert_eq!(attributes.len(), 2);
}

#[tokio::test]
async fn items_of_one_worker_are_together() {
    let collector = Collector::start([]).await;
    let named = [("OTEL_SERVICE_NAME", "all")];
    let (exporter, _) = start(&collector.url, &named, Vec::new);
    for name in ["a", "b", "a"] {
        exporter.push(Signal::Traces, item(json!({"scriptName": name})), None);
    }
    exporter.flush().await;
    let message: ExportTraceServiceRequest = collector.received()[0].decode();
    let resources: Vec<_> = message
        .resource_spans
        .iter()
        .map(|spans| {
            let attributes = &spans.resource.as_ref().unwrap().attributes;
            let (service, name) = (
                text(attributes, "service.name"),
                text(attributes, "faas.name"),
            );
            (service, name, spans.scope_spans[0].spans.len())
        })
        .collect();
    assert_eq!(resources, [("all", "a", 2), ("all", "b", 1)]);
}
