//! Counts since the message before, instead of since the start.

use super::{Group, Histogram, Labels, Of, Points};
use std::collections::HashMap;

/// What one value belongs to.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    of: Of,
    metric: &'static str,
    labels: Labels,
}

/// The counts that the collector has.
#[derive(Clone, Default)]
pub(super) struct Had {
    numbers: HashMap<Key, u64>,
    histograms: HashMap<Key, Histogram>,
}

impl Had {
    /// Takes what the collector has out of the counts. Returns what it has once it has those too.
    pub(super) fn subtract(&self, groups: &mut [Group]) -> Self {
        let mut next = Self::default();
        for group in groups {
            for metric in &mut group.metrics {
                let key = |labels: &Labels| Key {
                    of: group.of.clone(),
                    metric: metric.name,
                    labels: labels.clone(),
                };
                match &mut metric.points {
                    Points::Counter(numbers) => {
                        for number in numbers {
                            let key = key(&number.labels);
                            let had = self.numbers.get(&key).copied().unwrap_or(0);
                            next.numbers.insert(key, number.value);
                            number.value = number.value.saturating_sub(had);
                        }
                    }
                    Points::Histogram(histograms) => {
                        for (labels, histogram) in histograms {
                            let key = key(labels);
                            let all = histogram.clone();
                            if let Some(had) = self.histograms.get(&key) {
                                subtract(histogram, had);
                            }
                            next.histograms.insert(key, all);
                        }
                    }
                    Points::UpDownCounter(_) => {}
                }
            }
        }
        next
    }
}

fn subtract(histogram: &mut Histogram, had: &Histogram) {
    for (bucket, had) in histogram.buckets.iter_mut().zip(&had.buckets) {
        *bucket = bucket.saturating_sub(*had);
    }
    histogram.sum -= had.sum;
}
