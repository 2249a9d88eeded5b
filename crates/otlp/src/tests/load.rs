//! Bounds, under load.

use super::collector::{Collector, Does, nobody};
use super::{item, start_with};
use crate::signal::Signal;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use taffrail_trace::TraceItem;

/// Room for 100 items without anything that they hold.
const ROOM: usize = 100 * size_of::<TraceItem>();

#[tokio::test]
async fn what_does_not_fit_in_the_queue_is_lost_and_counted() {
    let (exporter, items) = start_with(&nobody().await, ROOM, &[], Vec::new);
    let one = item(json!({}));
    for _ in 0..10_000 {
        exporter.push(Signal::Traces, Arc::clone(&one), None);
    }
    let records = exporter.records(Signal::Traces);
    assert_eq!((records.produced, records.waiting), (10_000, 100));
    assert_eq!(records.lost["the queue is full"], 9_900);
    exporter.finish(Duration::from_secs(3600)).await;
    let records = exporter.records(Signal::Traces);
    assert_eq!(records.waiting, 0);
    assert_eq!(records.lost["the collector cannot be reached"], 100);
    assert_eq!(items.get().produced, 10_000);
    assert_eq!(items.get().lost, records.lost);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_load_every_record_is_in_one_column() {
    let does = (0..40).map(|number| match number % 4 {
        0 => Does::status(503),
        1 => Does::Close,
        2 => Does::status(400),
        _ => Does::status(200),
    });
    let collector = Collector::start(does).await;
    let (exporter, items) = start_with(&collector.url, ROOM, &[], Vec::new);
    let one = item(json!({}));
    for _ in 0..200 {
        for _ in 0..100 {
            exporter.push(Signal::Traces, Arc::clone(&one), None);
        }
        tokio::task::yield_now().await;
    }
    exporter.flush().await;
    let records = exporter.records(Signal::Traces);
    let lost: u64 = records.lost.values().sum();
    assert_eq!((records.produced, records.waiting), (20_000, 0));
    assert_eq!(records.sent + lost, 20_000);
    assert_eq!(items.get().lost, records.lost);
    let received = collector.received();
    let spans = received
        .iter()
        .filter(|message| message.path == "/v1/traces")
        .map(|message| message.decode::<ExportTraceServiceRequest>())
        .map(|message| message.resource_spans[0].scope_spans[0].spans.len() as u64);
    // Some messages arrived and were not taken.
    assert!(spans.sum::<u64>() >= records.sent);
}

#[tokio::test]
async fn messages_are_bounded() {
    let collector = Collector::start([]).await;
    let (exporter, _) = start_with(&collector.url, 64 << 20, &[], Vec::new);
    let one = item(json!({}));
    for _ in 0..2_500 {
        exporter.push(Signal::Traces, Arc::clone(&one), None);
    }
    exporter.flush().await;
    assert_eq!(exporter.records(Signal::Traces).sent, 2_500);
    let received = collector.received();
    let sizes: Vec<_> = received
        .iter()
        .filter(|message| message.path == "/v1/traces")
        .map(|message| message.decode::<ExportTraceServiceRequest>())
        .map(|message| message.resource_spans[0].scope_spans[0].spans.len())
        .collect();
    assert!(
        sizes.len() > 2 && sizes.iter().all(|size| *size <= 1_000),
        "{sizes:?}"
    );
}
