//! Measures of a process, in the text format of Prometheus.

use std::collections::{BTreeMap, HashMap};
use std::fmt::{self, Display, Formatter, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use taffrail_runtime::{Delivery, Meter, WorkerId};
use taffrail_trace::Outcome;

/// The most Workers that are told apart. `dev` may deploy ever other ones.
const WORKERS: usize = 1000;

/// The label of the other Workers, and of those that have no name of their own: user Workers and
/// dynamic Workers.
const OTHER: &str = "_other";

/// The upper bounds of the buckets of a histogram, in seconds.
const BOUNDS: [f64; 12] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0,
];

/// The `Content-Type` of the text.
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Counts the invocations of a process.
#[derive(Default)]
pub struct Metrics {
    workers: Mutex<BTreeMap<String, Invocations>>,
}

/// The invocations of one Worker.
#[derive(Default)]
struct Invocations {
    outcomes: HashMap<Outcome, u64>,
    cpu_time: Histogram,
    wall_time: Histogram,
}

#[derive(Default)]
struct Histogram {
    /// The number of values in each bucket alone.
    buckets: [u64; BOUNDS.len()],
    count: u64,
    sum: Duration,
}

impl Metrics {
    /// Returns a meter for [`Builder::meter`](taffrail_runtime::Builder::meter).
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Returns all measures as text.
    pub(crate) fn text(&self, deliveries: &[Delivery], live_tails: usize) -> String {
        let mut text = String::new();
        // Writing to memory does not fail.
        _ = self.write(&mut text, deliveries, live_tails);
        text
    }

    fn write(&self, out: &mut String, deliveries: &[Delivery], live_tails: usize) -> fmt::Result {
        self.write_invocations(out)?;
        for (name, kind, help, value) in COLUMNS {
            head(out, name, kind, help)?;
            for delivery in deliveries {
                let (consumer, value) = (Label(&delivery.consumer), value(delivery));
                writeln!(out, "{name}{{consumer=\"{consumer}\"}} {value}")?;
            }
        }
        let name = "taffrail_live_tails";
        head(out, name, "gauge", "Live tails that have a client.")?;
        writeln!(out, "{name} {live_tails}")
    }

    fn write_invocations(&self, out: &mut String) -> fmt::Result {
        let workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        let name = "taffrail_invocations_total";
        head(out, name, "counter", "Invocations that have ended.")?;
        for (worker, invocations) in &*workers {
            let worker = Label(worker);
            let outcomes = invocations.outcomes.iter();
            let mut outcomes: Vec<_> = outcomes
                .map(|(outcome, count)| (outcome.to_string(), count))
                .collect();
            outcomes.sort();
            for (outcome, count) in outcomes {
                let labels = format!("worker=\"{worker}\",outcome=\"{outcome}\"");
                writeln!(out, "{name}{{{labels}}} {count}")?;
            }
        }
        let name = "taffrail_invocation_cpu_seconds";
        head(out, name, "histogram", "CPU time of an invocation.")?;
        for (worker, invocations) in &*workers {
            invocations.cpu_time.write(out, name, worker)?;
        }
        let name = "taffrail_invocation_wall_seconds";
        head(
            out,
            name,
            "histogram",
            "Time from an event to the end of all that it caused.",
        )?;
        for (worker, invocations) in &*workers {
            invocations.wall_time.write(out, name, worker)?;
        }
        Ok(())
    }
}

/// The measures of a tail consumer: name, type, help and value.
type Column = (
    &'static str,
    &'static str,
    &'static str,
    fn(&Delivery) -> u64,
);

const COLUMNS: [Column; 4] = [
    (
        "taffrail_tail_items_produced_total",
        "counter",
        "Items that a tail consumer should receive.",
        |delivery| delivery.produced,
    ),
    (
        "taffrail_tail_items_delivered_total",
        "counter",
        "Items that a tail consumer has received.",
        |delivery| delivery.delivered,
    ),
    (
        "taffrail_tail_items_lost_total",
        "counter",
        "Items that a tail consumer will not receive.",
        |delivery| delivery.lost,
    ),
    (
        "taffrail_tail_items_waiting",
        "gauge",
        "Items that wait for a tail consumer.",
        |delivery| delivery.waiting,
    ),
];

impl Meter for Metrics {
    fn ended(&self, worker: &WorkerId, outcome: Outcome, cpu_time: Duration, wall_time: Duration) {
        let mut workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        let name = worker.deployed_name().unwrap_or(OTHER);
        let name = match workers.contains_key(name) || workers.len() < WORKERS {
            true => name,
            false => OTHER,
        };
        let invocations = match workers.get_mut(name) {
            Some(invocations) => invocations,
            None => workers.entry(name.to_owned()).or_default(),
        };
        *invocations.outcomes.entry(outcome).or_default() += 1;
        invocations.cpu_time.add(cpu_time);
        invocations.wall_time.add(wall_time);
    }
}

impl Histogram {
    fn add(&mut self, value: Duration) {
        let seconds = value.as_secs_f64();
        let bucket = BOUNDS.partition_point(|bound| *bound < seconds);
        if let Some(bucket) = self.buckets.get_mut(bucket) {
            *bucket += 1;
        }
        self.count += 1;
        self.sum += value;
    }

    fn write(&self, out: &mut String, name: &str, worker: &str) -> fmt::Result {
        let (worker, count) = (Label(worker), self.count);
        let mut below = 0;
        for (bound, values) in BOUNDS.iter().zip(self.buckets) {
            below += values;
            writeln!(
                out,
                "{name}_bucket{{worker=\"{worker}\",le=\"{bound}\"}} {below}"
            )?;
        }
        writeln!(
            out,
            "{name}_bucket{{worker=\"{worker}\",le=\"+Inf\"}} {count}"
        )?;
        let sum = self.sum.as_secs_f64();
        writeln!(out, "{name}_sum{{worker=\"{worker}\"}} {sum}")?;
        writeln!(out, "{name}_count{{worker=\"{worker}\"}} {count}")
    }
}

fn head(out: &mut String, name: &str, kind: &str, help: &str) -> fmt::Result {
    writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}")
}

/// The value of a label, escaped.
struct Label<'a>(&'a str);

impl Display for Label<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '\\' => f.write_str("\\\\")?,
                '"' => f.write_str("\\\"")?,
                '\n' => f.write_str("\\n")?,
                _ => f.write_char(character)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn the_text_has_what_was_measured() {
        let metrics = Metrics::default();
        let worker = WorkerId::from("a\"b\n\\");
        metrics.ended(&worker, Outcome::Ok, MS, 2 * MS);
        metrics.ended(&worker, Outcome::Ok, 3 * MS, 100_000 * MS);
        metrics.ended(&worker, Outcome::ExceededCpu, 3 * MS, 4 * MS);
        let delivery = Delivery {
            consumer: "t".to_owned(),
            produced: 6,
            delivered: 3,
            lost: 2,
            waiting: 1,
            ..Delivery::default()
        };
        let text = metrics.text(&[delivery], 4);
        for line in [
            r#"taffrail_invocations_total{worker="a\"b\n\\",outcome="exceededCpu"} 1"#,
            r#"taffrail_invocations_total{worker="a\"b\n\\",outcome="ok"} 2"#,
            r#"taffrail_invocation_cpu_seconds_bucket{worker="a\"b\n\\",le="0.001"} 1"#,
            r#"taffrail_invocation_cpu_seconds_bucket{worker="a\"b\n\\",le="0.0025"} 1"#,
            r#"taffrail_invocation_cpu_seconds_bucket{worker="a\"b\n\\",le="0.005"} 3"#,
            r#"taffrail_invocation_wall_seconds_bucket{worker="a\"b\n\\",le="30"} 2"#,
            r#"taffrail_invocation_wall_seconds_bucket{worker="a\"b\n\\",le="+Inf"} 3"#,
            r#"taffrail_invocation_wall_seconds_sum{worker="a\"b\n\\"} 100.006"#,
            r#"taffrail_invocation_wall_seconds_count{worker="a\"b\n\\"} 3"#,
            r#"taffrail_tail_items_produced_total{consumer="t"} 6"#,
            r#"taffrail_tail_items_delivered_total{consumer="t"} 3"#,
            r#"taffrail_tail_items_lost_total{consumer="t"} 2"#,
            r#"taffrail_tail_items_waiting{consumer="t"} 1"#,
            "taffrail_live_tails 4",
        ] {
            assert!(text.lines().any(|other| other == line), "{line} in\n{text}");
        }
    }

    #[test]
    fn of_10_000_workers_the_first_are_told_apart() {
        let metrics = Metrics::default();
        for number in 0..10_000 {
            let worker = WorkerId::from(format!("w{number}"));
            metrics.ended(&worker, Outcome::Ok, MS, MS);
        }
        let workers = metrics.workers.lock().unwrap();
        assert_eq!(workers.len(), WORKERS + 1);
        assert_eq!(workers[OTHER].cpu_time.count, 9_000);
    }
}
