//! Metrics on their way.

use super::collector::{Collector, Does};
use super::start;
use crate::metrics::{Ended, Measures};
use crate::signal::Signal;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use opentelemetry_proto::tonic::metrics::v1::{AggregationTemporality, HistogramDataPoint, Sum};
use std::sync::Arc;
use std::time::Duration;
use taffrail_trace::Outcome;

const ENDED: Ended = Ended {
    outcome: Outcome::Ok,
    cpu_time: Duration::from_millis(2),
    wall_time: Duration::from_millis(40),
    peak_memory: 3 << 20,
    is_cold_start: false,
};

fn sum(request: &ExportMetricsServiceRequest) -> &Sum {
    match data(request, "taffrail.invocations") {
        Data::Sum(sum) => sum,
        other => panic!("{other:?}"),
    }
}

fn duration(request: &ExportMetricsServiceRequest) -> &HistogramDataPoint {
    match data(request, "faas.invoke_duration") {
        Data::Histogram(histogram) => &histogram.data_points[0],
        other => panic!("{other:?}"),
    }
}

fn data<'a>(request: &'a ExportMetricsServiceRequest, name: &str) -> &'a Data {
    let resources = request.resource_metrics.iter();
    let mut metrics = resources.flat_map(|resource| &resource.scope_metrics[0].metrics);
    let metric = metrics.find(|metric| metric.name == name).unwrap();
    metric.data.as_ref().unwrap()
}

/// Sends three times, and the second message is not taken. Returns the messages.
async fn three_messages(temporality: &str) -> Vec<ExportMetricsServiceRequest> {
    let collector = Collector::start([Does::status(200), Does::status(400)]).await;
    let variables = [(
        "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE",
        temporality,
    )];
    let measures = Arc::new(Measures::default());
    let measured = Arc::clone(&measures);
    let (exporter, _) = start(&collector.url, &variables, move || measured.groups());
    for invocations in [5, 2, 1] {
        for _ in 0..invocations {
            measures.ended(Some("shop"), ENDED);
        }
        exporter.flush().await;
    }
    let records = exporter.records(Signal::Metrics);
    assert_eq!(records.waiting, 0);
    let refused = records.lost["the collector answers with the status 400"];
    assert_eq!(records.sent + refused, records.produced);
    let received = collector.received();
    received.iter().map(|message| message.decode()).collect()
}

fn values(messages: &[ExportMetricsServiceRequest]) -> Vec<(Option<Value>, u64)> {
    let messages = messages.iter();
    messages
        .map(|message| {
            let value = sum(message).data_points[0].value;
            (value, duration(message).count)
        })
        .collect()
}

#[tokio::test]
async fn cumulative_metrics_count_from_the_start() {
    let messages = three_messages("cumulative").await;
    assert_eq!(
        values(&messages),
        [5, 7, 8].map(|count| (Some(Value::AsInt(count)), count as u64))
    );
    let starts: Vec<_> = messages
        .iter()
        .map(|message| duration(message).start_time_unix_nano)
        .collect();
    assert!(starts.iter().all(|start| *start == starts[0] && *start > 0));
    let first = sum(&messages[0]);
    assert!(first.is_monotonic);
    assert_eq!(
        first.aggregation_temporality(),
        AggregationTemporality::Cumulative
    );
    let duration = duration(&messages[2]);
    assert_eq!(
        duration.bucket_counts.len(),
        duration.explicit_bounds.len() + 1
    );
    assert!((duration.sum.unwrap() - 0.32).abs() < 1e-9);
}

#[tokio::test]
async fn deltas_lose_nothing_with_a_message_that_is_not_taken() {
    let messages = three_messages("delta").await;
    assert_eq!(
        values(&messages),
        [5, 2, 3].map(|count| (Some(Value::AsInt(count)), count as u64))
    );
    assert_eq!(
        sum(&messages[0]).aggregation_temporality(),
        AggregationTemporality::Delta
    );
    let [first, second, third] = [0, 1, 2].map(|index| duration(&messages[index]));
    assert_eq!(second.start_time_unix_nano, first.time_unix_nano);
    assert_eq!(third.start_time_unix_nano, first.time_unix_nano);
    assert!((third.sum.unwrap() - 0.12).abs() < 1e-9);
}

#[tokio::test]
async fn a_worker_is_a_resource_and_what_is_not_told_apart_says_so() {
    let collector = Collector::start([]).await;
    let measures = Measures::default();
    measures.ended(Some("shop"), ENDED);
    measures.ended(None, ENDED);
    let measured = measures.groups();
    let (exporter, _) = start(&collector.url, &[], move || measured.clone());
    exporter.flush().await;
    let message: ExportMetricsServiceRequest = collector.received()[0].decode();
    let attribute = |index: usize, name: &str| {
        let resource: &opentelemetry_proto::tonic::resource::v1::Resource =
            message.resource_metrics[index].resource.as_ref().unwrap();
        let found = resource.attributes.iter().find(|other| other.key == name);
        found.map(|found| format!("{:?}", found.value))
    };
    assert!(attribute(0, "service.name").unwrap().contains("shop"));
    assert!(attribute(0, "faas.name").unwrap().contains("shop"));
    assert!(attribute(1, "service.name").unwrap().contains("taffrail"));
    assert_eq!(attribute(1, "faas.name"), None);
    let metrics = &message.resource_metrics[1].scope_metrics[0].metrics;
    let Some(Data::Sum(sum)) = &metrics[0].data else {
        panic!("{:?}", metrics[0]);
    };
    let names: Vec<_> = sum.data_points[0]
        .attributes
        .iter()
        .map(|attribute| attribute.key.as_str())
        .collect();
    assert_eq!(names, ["cloudflare.outcome", "otel.metric.overflow"]);
}
