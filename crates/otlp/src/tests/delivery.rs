//! What becomes of messages.

use super::collector::{Collector, Does, nobody};
use super::{item, start};
use crate::counts::Records;
use crate::signal::Signal;
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsPartialSuccess, ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use serde_json::json;
use std::time::Duration;

fn logged(lines: usize) -> std::sync::Arc<taffrail_trace::TraceItem> {
    let line = json!({"timestamp": 1_700_000_000_001_u64, "level": "log", "message": ["x"]});
    item(json!({"logs": vec![line; lines]}))
}

/// Returns what was lost for one reason.
fn lost(records: u64, reason: &str) -> Records {
    Records {
        produced: records,
        lost: [(reason.to_owned(), records)].into(),
        ..Records::default()
    }
}

#[tokio::test]
async fn items_go_to_the_collector_in_one_message_for_each_signal() {
    let collector = Collector::start([]).await;
    let variables = [
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=a%20b"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
    ];
    let (exporter, items) = start(&collector.url, &variables, Vec::new);
    for _ in 0..3 {
        exporter.push(Signal::Traces, logged(2), None);
        exporter.push(Signal::Logs, logged(2), None);
    }
    // Nothing to send.
    exporter.push(Signal::Logs, item(json!({})), None);
    exporter.flush().await;
    let mut received = collector.received();
    // Its own metrics go last.
    assert_eq!(received.pop().unwrap().path, "/v1/metrics");
    let [traces, logs] = &received[..] else {
        panic!("{} messages", received.len());
    };
    assert_eq!((&*traces.path, &*logs.path), ("/v1/traces", "/v1/logs"));
    for (name, value) in [
        ("content-type", "application/x-protobuf"),
        ("content-encoding", "gzip"),
        ("x-tenant", "a b"),
    ] {
        assert_eq!(traces.headers[name], value);
    }
    let agent = traces.headers["user-agent"].to_str().unwrap();
    assert!(agent.starts_with("Taffrail-OTLP-Exporter/"), "{agent}");
    let traces: ExportTraceServiceRequest = traces.decode();
    assert_eq!(traces.resource_spans.len(), 1);
    assert_eq!(traces.resource_spans[0].scope_spans[0].spans.len(), 3);
    let logs: ExportLogsServiceRequest = logs.decode();
    assert_eq!(logs.resource_logs[0].scope_logs[0].log_records.len(), 6);
    let sent = |records| Records {
        produced: records,
        sent: records,
        ..Records::default()
    };
    assert_eq!(exporter.records(Signal::Traces), sent(3));
    assert_eq!(exporter.records(Signal::Logs), sent(6));
    assert_eq!((items.get().produced, items.get().sent), (6, 6));
}

#[tokio::test]
async fn a_message_is_sent_again_until_it_is_taken() {
    let collector = Collector::start([
        Does::status(503),
        Does::Answer(429, &[("retry-after", "0")], Vec::new()),
        Does::Close,
        Does::status(502),
        // The longest pause is shorter.
        Does::Answer(504, &[("retry-after", "86400")], Vec::new()),
    ])
    .await;
    let (exporter, items) = start(&collector.url, &[], Vec::new);
    exporter.push(Signal::Logs, logged(1), None);
    exporter.flush().await;
    let received = collector.received();
    let logs: Vec<_> = received
        .iter()
        .filter(|message| message.path == "/v1/logs")
        .collect();
    assert_eq!(logs.len(), 6);
    assert!(logs.iter().all(|message| message.body == logs[0].body));
    assert_eq!(exporter.records(Signal::Logs).sent, 1);
    assert_eq!((items.get().sent, items.get().retried), (1, 5));
}

#[tokio::test]
async fn a_collector_that_does_not_answer_in_time_is_asked_again() {
    let collector = Collector::start([Does::Hang]).await;
    let timeout = [("OTEL_EXPORTER_OTLP_TIMEOUT", "100")];
    let (exporter, _) = start(&collector.url, &timeout, Vec::new);
    exporter.push(Signal::Logs, logged(1), None);
    exporter.flush().await;
    assert_eq!(exporter.records(Signal::Logs).sent, 1);
}

#[tokio::test]
async fn what_is_refused_is_lost_for_that_reason() {
    let page = b"<html>Sign in</html>".to_vec();
    for (does, reason) in [
        (
            Does::status(400),
            "the collector answers with the status 400",
        ),
        (
            Does::Answer(302, &[("location", "/")], Vec::new()),
            "the collector answers with the status 302",
        ),
        (
            Does::Answer(200, &[("content-type", "text/html")], page),
            "what answers is no collector",
        ),
        (
            Does::Answer(200, &[], vec![b'x'; 1 << 20]),
            "what answers is no collector",
        ),
    ] {
        let collector = Collector::start([does]).await;
        let (exporter, items) = start(&collector.url, &[], Vec::new);
        exporter.push(Signal::Logs, logged(3), None);
        exporter.flush().await;
        assert_eq!(exporter.records(Signal::Logs), lost(3, reason));
        assert_eq!(items.get().lost, [(reason.to_owned(), 1)].into());
        // The next one is another matter.
        exporter.push(Signal::Logs, logged(1), None);
        exporter.flush().await;
        assert_eq!(exporter.records(Signal::Logs).sent, 1);
    }
}

#[tokio::test]
async fn what_is_rejected_of_a_message_is_counted_and_not_sent_again() {
    let partial = |rejected| {
        let response = ExportLogsServiceResponse {
            partial_success: Some(ExportLogsPartialSuccess {
                rejected_log_records: rejected,
                error_message: "too old".to_owned(),
            }),
        };
        Does::Answer(200, &[], response.encode_to_vec())
    };
    // The second one lies.
    let collector = Collector::start([partial(2), partial(1000)]).await;
    let (exporter, items) = start(
        &collector.url,
        &[("OTEL_METRICS_EXPORTER", "none")],
        Vec::new,
    );
    for lines in [5, 1] {
        exporter.push(Signal::Logs, logged(lines), None);
        exporter.flush().await;
    }
    let counted = Records {
        produced: 6,
        sent: 3,
        rejected: 3,
        ..Records::default()
    };
    assert_eq!(exporter.records(Signal::Logs), counted);
    assert_eq!(items.get().sent, 2);
    let received = collector.received();
    let logs = received.iter().filter(|message| message.path == "/v1/logs");
    assert_eq!(logs.count(), 2);
}

#[tokio::test]
async fn the_end_does_not_wait_for_a_collector_that_is_not_there() {
    let (exporter, items) = start(&nobody().await, &[], Vec::new);
    exporter.push(Signal::Logs, logged(2), None);
    exporter.finish(Duration::from_secs(3600)).await;
    let reason = "the collector cannot be reached";
    assert_eq!(exporter.records(Signal::Logs), lost(2, reason));
    exporter.push(Signal::Logs, logged(1), None);
    let lost = &exporter.records(Signal::Logs).lost;
    assert_eq!(lost["Taffrail is stopping"], 1);
    assert_eq!(items.get().lost.values().sum::<u64>(), 2);
}

#[tokio::test]
async fn the_end_sends_what_waits_also_to_a_collector_that_has_none_the_first_time() {
    let collector = Collector::start([Does::status(503)]).await;
    let (exporter, _) = start(&collector.url, &[], Vec::new);
    exporter.push(Signal::Logs, logged(2), None);
    exporter.finish(Duration::from_secs(3600)).await;
    assert_eq!(exporter.records(Signal::Logs).sent, 2);
}

#[tokio::test]
async fn what_is_not_sent_by_the_end_is_counted() {
    let collector = Collector::start([Does::Hang, Does::Hang]).await;
    let (exporter, items) = start(&collector.url, &[], Vec::new);
    exporter.push(Signal::Logs, logged(2), None);
    exporter.push(Signal::Traces, logged(2), None);
    exporter.finish(Duration::from_millis(50)).await;
    let reason = "Taffrail stopped before it was sent";
    assert_eq!(exporter.records(Signal::Logs), lost(2, reason));
    assert_eq!(exporter.records(Signal::Traces), lost(1, reason));
    assert_eq!(items.get().lost, [(reason.to_owned(), 2)].into());
}
