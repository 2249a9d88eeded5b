//! Measures of a process, in the text format of Prometheus.

use std::fmt::{self, Display, Formatter, Write};
use std::sync::Arc;
use taffrail_otlp::{Ended, Histogram, Measures, Of, OfWorker};
use taffrail_runtime::{Delivery, Instances, Measured, Meter, WorkerId};

/// The label of the Workers that are not told apart, and of those that have no name of their own:
/// user Workers and dynamic Workers.
const OTHER: &str = "_other";

/// The `Content-Type` of the text.
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Counts the invocations of a process.
#[derive(Default)]
pub struct Metrics {
    measures: Arc<Measures>,
}

impl Metrics {
    /// Returns a meter for [`Builder::meter`](taffrail_runtime::Builder::meter).
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Returns what it measures, for others who show it.
    #[must_use]
    pub fn measures(&self) -> &Arc<Measures> {
        &self.measures
    }

    /// Returns all measures as text.
    pub(crate) fn text(
        &self,
        deliveries: &[Delivery],
        instances: Instances,
        live_tails: usize,
    ) -> String {
        let mut text = String::new();
        // Writing to memory does not fail.
        _ = self.write(&mut text, deliveries, instances, live_tails);
        text
    }

    fn write(
        &self,
        out: &mut String,
        deliveries: &[Delivery],
        instances: Instances,
        live_tails: usize,
    ) -> fmt::Result {
        self.write_invocations(out)?;
        let name = "taffrail_instances";
        head(out, name, "gauge", "Instances of Workers.")?;
        for (state, count) in [("running", instances.running), ("idle", instances.idle)] {
            writeln!(out, "{name}{{state=\"{state}\"}} {count}")?;
        }
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
        let workers = self.measures.workers();
        let workers: Vec<_> = workers
            .iter()
            .map(|(of, worker)| match of {
                Of::Worker(name) => (Label(name), worker),
                Of::OtherWorkers | Of::Process => (Label(OTHER), worker),
            })
            .collect();
        let name = "taffrail_invocations_total";
        head(out, name, "counter", "Invocations that have ended.")?;
        for (worker, invocations) in &workers {
            for (outcome, count) in &invocations.outcomes {
                let labels = format!("worker=\"{worker}\",outcome=\"{outcome}\"");
                writeln!(out, "{name}{{{labels}}} {count}")?;
            }
        }
        let name = "taffrail_cold_starts_total";
        let help = "Invocations for which an instance was made.";
        head(out, name, "counter", help)?;
        for (worker, invocations) in &workers {
            let count = invocations.cold_starts;
            writeln!(out, "{name}{{worker=\"{worker}\"}} {count}")?;
        }
        for (name, help, histogram) in HISTOGRAMS {
            head(out, name, "histogram", help)?;
            for (worker, invocations) in &workers {
                write_histogram(histogram(invocations), out, name, worker)?;
            }
        }
        Ok(())
    }
}

/// The distributions of a Worker's invocations: name, help and values.
type Distribution = (&'static str, &'static str, fn(&OfWorker) -> &Histogram);

const HISTOGRAMS: [Distribution; 3] = [
    (
        "taffrail_invocation_cpu_seconds",
        "CPU time of an invocation.",
        |worker| &worker.cpu_time,
    ),
    (
        "taffrail_invocation_wall_seconds",
        "Time from an event to the end of all that it caused.",
        |worker| &worker.wall_time,
    ),
    (
        "taffrail_invocation_memory_bytes",
        "The most memory that an invocation had at a time.",
        |worker| &worker.peak_memory,
    ),
];

/// The measures of a tail consumer: name, type, help and value.
type Column = (
    &'static str,
    &'static str,
    &'static str,
    fn(&Delivery) -> u64,
);

const COLUMNS: [Column; 5] = [
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
        "taffrail_tail_items_retried_total",
        "counter",
        "Items that were to be delivered again, by each attempt that failed.",
        |delivery| delivery.retried,
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
    fn ended(&self, worker: &WorkerId, measured: Measured) {
        let ended = Ended {
            outcome: measured.outcome,
            cpu_time: measured.cpu_time,
            wall_time: measured.wall_time,
            peak_memory: measured.peak_memory,
            is_cold_start: measured.is_cold_start,
        };
        self.measures.ended(worker.deployed_name(), ended);
    }
}

fn write_histogram(
    histogram: &Histogram,
    out: &mut String,
    name: &str,
    worker: &Label<'_>,
) -> fmt::Result {
    let mut below = 0;
    for (bound, values) in histogram.bounds.iter().zip(&histogram.buckets) {
        below += values;
        writeln!(
            out,
            "{name}_bucket{{worker=\"{worker}\",le=\"{bound}\"}} {below}"
        )?;
    }
    let (count, sum) = (histogram.count(), histogram.sum);
    writeln!(
        out,
        "{name}_bucket{{worker=\"{worker}\",le=\"+Inf\"}} {count}"
    )?;
    writeln!(out, "{name}_sum{{worker=\"{worker}\"}} {sum}")?;
    writeln!(out, "{name}_count{{worker=\"{worker}\"}} {count}")
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
    use std::time::Duration;
    use taffrail_trace::Outcome;

    const MS: Duration = Duration::from_millis(1);

    fn measured(outcome: Outcome, cpu_time: Duration, wall_time: Duration) -> Measured {
        Measured {
            outcome,
            cpu_time,
            wall_time,
            peak_memory: 3 << 20,
            is_cold_start: outcome == Outcome::Ok,
        }
    }

    #[test]
    fn the_text_has_what_was_measured() {
        let metrics = Metrics::default();
        let worker = WorkerId::from("a\"b\n\\");
        metrics.ended(&worker, measured(Outcome::Ok, MS, 2 * MS));
        metrics.ended(&worker, measured(Outcome::Ok, 3 * MS, 100_000 * MS));
        metrics.ended(&worker, measured(Outcome::ExceededCpu, 3 * MS, 4 * MS));
        let delivery = Delivery {
            consumer: "t".to_owned(),
            produced: 6,
            delivered: 3,
            lost: 2,
            waiting: 1,
            retried: 5,
            ..Delivery::default()
        };
        let text = metrics.text(
            &[delivery],
            Instances {
                running: 3,
                idle: 2,
            },
            4,
        );
        for line in [
            r#"taffrail_invocations_total{worker="a\"b\n\\",outcome="exceededCpu"} 1"#,
            r#"taffrail_invocations_total{worker="a\"b\n\\",outcome="ok"} 2"#,
            r#"taffrail_cold_starts_total{worker="a\"b\n\\"} 2"#,
            r#"taffrail_invocation_memory_bytes_bucket{worker="a\"b\n\\",le="2097152"} 0"#,
            r#"taffrail_invocation_memory_bytes_bucket{worker="a\"b\n\\",le="4194304"} 3"#,
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
            r#"taffrail_tail_items_retried_total{consumer="t"} 5"#,
            r#"taffrail_instances{state="running"} 3"#,
            r#"taffrail_instances{state="idle"} 2"#,
            "taffrail_live_tails 4",
        ] {
            assert!(text.lines().any(|other| other == line), "{line} in\n{text}");
        }
    }
}
