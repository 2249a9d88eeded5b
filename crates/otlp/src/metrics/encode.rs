//! Metrics as messages of OTLP.

use super::{Group, Histogram, Labels, Metric, Number, Of, Points};
use crate::encode::attributes::attribute;
use crate::encode::resource::{Resources, SCHEMA_URL, scope};
use crate::settings::Temporality;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1 as proto;
use opentelemetry_proto::tonic::metrics::v1::AggregationTemporality;

/// The attribute of what is not told apart.
const OVERFLOW: &str = "otel.metric.overflow";

/// When counting began and ended, in nanoseconds since 1970.
#[derive(Clone, Copy)]
pub(crate) struct Period {
    pub(crate) start: u64,
    pub(crate) end: u64,
}

/// Returns how many data points there are.
pub(crate) fn count(groups: &[Group]) -> u64 {
    let metrics = groups.iter().flat_map(|group| &group.metrics);
    let points = metrics.map(|metric| match &metric.points {
        Points::Counter(numbers) | Points::UpDownCounter(numbers) => numbers.len(),
        Points::Histogram(histograms) => histograms.len(),
    });
    points.sum::<usize>() as u64
}

pub(crate) fn request(
    groups: Vec<Group>,
    resources: &Resources,
    temporality: Temporality,
    period: Period,
) -> ExportMetricsServiceRequest {
    let groups = groups.into_iter().filter(|group| !group.metrics.is_empty());
    let resource_metrics = groups.map(|group| {
        let worker = match &group.of {
            Of::Worker(name) => Some(name.as_str()),
            Of::OtherWorkers | Of::Process => None,
        };
        let encoder = Encoder {
            temporality,
            period,
            is_overflow: group.of == Of::OtherWorkers,
        };
        let metrics = group.metrics.into_iter();
        proto::ResourceMetrics {
            resource: Some(resources.of_worker(worker, None)),
            scope_metrics: vec![proto::ScopeMetrics {
                scope: Some(scope()),
                metrics: metrics.map(|metric| encoder.metric(metric)).collect(),
                schema_url: SCHEMA_URL.to_owned(),
            }],
            schema_url: SCHEMA_URL.to_owned(),
        }
    });
    ExportMetricsServiceRequest {
        resource_metrics: resource_metrics.collect(),
    }
}

struct Encoder {
    temporality: Temporality,
    period: Period,
    is_overflow: bool,
}

impl Encoder {
    fn metric(&self, metric: Metric) -> proto::Metric {
        let counted = match self.temporality {
            Temporality::Cumulative => AggregationTemporality::Cumulative,
            Temporality::Delta => AggregationTemporality::Delta,
        };
        let data = match metric.points {
            Points::Counter(numbers) => proto::metric::Data::Sum(proto::Sum {
                data_points: self.numbers(numbers, self.period.start),
                aggregation_temporality: counted.into(),
                is_monotonic: true,
            }),
            // Those are counted from the start whatever is preferred.
            Points::UpDownCounter(numbers) => proto::metric::Data::Sum(proto::Sum {
                data_points: self.numbers(numbers, 0),
                aggregation_temporality: AggregationTemporality::Cumulative.into(),
                is_monotonic: false,
            }),
            Points::Histogram(histograms) => proto::metric::Data::Histogram(proto::Histogram {
                data_points: histograms
                    .into_iter()
                    .map(|(labels, histogram)| self.histogram(labels, &histogram))
                    .collect(),
                aggregation_temporality: counted.into(),
            }),
        };
        proto::Metric {
            name: metric.name.to_owned(),
            description: metric.description.to_owned(),
            unit: metric.unit.to_owned(),
            data: Some(data),
            ..proto::Metric::default()
        }
    }

    fn numbers(&self, numbers: Vec<Number>, start: u64) -> Vec<proto::NumberDataPoint> {
        let numbers = numbers.into_iter().map(|number| {
            let value = i64::try_from(number.value).unwrap_or(i64::MAX);
            proto::NumberDataPoint {
                attributes: self.attributes(number.labels),
                start_time_unix_nano: start,
                time_unix_nano: self.period.end,
                value: Some(proto::number_data_point::Value::AsInt(value)),
                ..proto::NumberDataPoint::default()
            }
        });
        numbers.collect()
    }

    fn histogram(&self, labels: Labels, histogram: &Histogram) -> proto::HistogramDataPoint {
        proto::HistogramDataPoint {
            attributes: self.attributes(labels),
            start_time_unix_nano: self.period.start,
            time_unix_nano: self.period.end,
            count: histogram.count(),
            sum: Some(histogram.sum),
            bucket_counts: histogram.buckets.clone(),
            explicit_bounds: histogram.bounds.to_vec(),
            ..proto::HistogramDataPoint::default()
        }
    }

    fn attributes(&self, labels: Labels) -> Vec<KeyValue> {
        let overflow = self.is_overflow.then(|| attribute(OVERFLOW, true));
        let labels = labels
            .into_iter()
            .map(|(name, value)| attribute(name, value));
        labels.chain(overflow).collect()
    }
}
