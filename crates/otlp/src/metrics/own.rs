//! Metrics of the exporter itself, with the names of the semantic conventions.

use super::{Group, Metric, Number, Of, Points};
use crate::counts::Records;
use crate::pipeline::Pipeline;
use crate::signal::Signal;
use std::sync::Arc;

/// What records of a signal end as is in `error.type`: none if the collector has them.
const REJECTED: &str = "rejected";

pub(crate) fn group(pipelines: &[Arc<Pipeline>]) -> Group {
    let metrics = pipelines
        .iter()
        .flat_map(|pipeline| of_signal(pipeline.route.signal, pipeline.records()));
    Group {
        of: Of::Process,
        metrics: metrics.collect(),
    }
}

fn of_signal(signal: Signal, records: Records) -> Vec<Metric> {
    let (exported, waiting, unit) = match signal {
        Signal::Traces => (
            "otel.sdk.exporter.span.exported",
            "otel.sdk.processor.span.queue.size",
            "{span}",
        ),
        Signal::Logs => (
            "otel.sdk.exporter.log.exported",
            "otel.sdk.processor.log.queue.size",
            "{log_record}",
        ),
        Signal::Metrics => return Vec::new(),
    };
    let component = ("otel.component.type", "otlp_http_exporter".to_owned());
    let number = |error: Option<String>, value| {
        let error = error.map(|error| ("error.type", error));
        Number {
            labels: std::iter::once(component.clone()).chain(error).collect(),
            value,
        }
    };
    let mut numbers = vec![number(None, records.sent)];
    if records.rejected > 0 {
        numbers.push(number(Some(REJECTED.to_owned()), records.rejected));
    }
    let lost = records.lost.into_iter();
    numbers.extend(lost.map(|(reason, count)| number(Some(reason), count)));
    vec![
        Metric {
            name: exported,
            description: "Records that have left the exporter, with `error.type` if the collector does not have them.",
            unit,
            points: Points::Counter(numbers),
        },
        Metric {
            name: waiting,
            description: "Records that wait to be sent.",
            unit,
            points: Points::UpDownCounter(vec![number(None, records.waiting)]),
        },
    ]
}
