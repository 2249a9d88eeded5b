//! The figures that Taffrail is to reach.

use crate::report::{Report, Sample};
use crate::start::{idle_of, start_of};
use serde_json::{Value, json};

/// A figure, and the most that it may be.
pub(crate) struct Target {
    pub(crate) name: &'static str,
    figure: Figure,
    pub(crate) bound: f64,
    /// The most that it is hoped to be.
    pub(crate) stretch: Option<f64>,
}

/// How the figure is had from the rows of these names.
enum Figure {
    /// CPU time of the first per request, in parts of that of the second.
    Ratio(&'static str, &'static str),
    /// CPU time per request, in µs.
    Cpu(&'static str),
    /// What the first needs more than the second, in µs of CPU time per request.
    Added(&'static str, &'static str),
    /// Median latency of the first, in parts of that of the second.
    P50(&'static str, &'static str),
    /// The same of the latency that 99 of 100 requests did not exceed.
    P99(&'static str, &'static str),
    /// Resident memory of the first, in parts of that of the second.
    Memory(&'static str, &'static str),
    /// Time from the start to the first answer, in ms.
    Start(&'static str),
    /// How much later the first answer of the first one is, in ms.
    Later(&'static str, &'static str),
    /// Memory of a Worker that idles, in KB.
    Idle(&'static str),
    /// Items that were not delivered, at any number of connections.
    Lost,
}

use Figure::{Added, Cpu, Idle, Later, Lost, Memory, P50, P99, Ratio, Start};

const fn target(name: &'static str, figure: Figure, bound: f64, stretch: Option<f64>) -> Target {
    Target {
        name,
        figure,
        bound,
        stretch,
    }
}

#[rustfmt::skip]
const TARGETS: &[Target] = &[
    target("0.2 fresh / wasmtime serve", Ratio("taffrail-p2", "wasmtime-p2"), 0.28, Some(0.25)),
    target("0.2 fresh with a tail / wasmtime serve", Ratio("taffrail-p2-tail", "wasmtime-p2"), 0.38, Some(0.33)),
    target("0.2 reused with a tail / wasmtime serve reused", Ratio("taffrail-p2-reuse-tail", "wasmtime-p2-reuse"), 0.9, Some(0.7)),
    target("0.2 reused with a tail / workerd with a tail", Ratio("taffrail-p2-reuse-tail", "workerd-js-tail"), 1.0 / 3.0, None),
    target("0.3 / wasmtime serve", Ratio("taffrail-p3", "wasmtime-p3"), 1.0, Some(0.8)),
    target("0.3 with a tail / wasmtime serve", Ratio("taffrail-p3-tail", "wasmtime-p3"), 1.3, Some(1.0)),
    target("a reused tail adds, µs per event", Added("taffrail-p2-tail", "taffrail-p2"), 20.0, None),
    target("a tail in batches adds, µs per event", Added("taffrail-p2-tail-batch", "taffrail-p2"), 8.0, None),
    target("p50 at half of the rate, with / without a tail", P50("taffrail-p2-tail-half", "taffrail-p2-half"), 1.05, None),
    target("p99 at half of the rate, with / without a tail", P99("taffrail-p2-tail-half", "taffrail-p2-half"), 1.05, None),
    target("JavaScript / workerd", Ratio("taffrail-js", "workerd-js"), 5.0, Some(3.0)),
    target("JavaScript with a tail / workerd with one", Ratio("taffrail-js-tail", "workerd-js-tail"), 6.0, Some(4.0)),
    target("a component that computes / wasmtime serve", Ratio("taffrail-compute", "wasmtime-compute"), 1.05, None),
    target("a trap with DWARF, µs", Cpu("taffrail-trap-dwarf"), 500.0, None),
    target("a trap without DWARF, µs", Cpu("taffrail-trap"), 100.0, None),
    target("first answer after wasmtime serve's, ms", Later("taffrail-p2", "wasmtime-p2-cached"), 5.0, None),
    target("first answer of a script, ms", Start("taffrail-js"), 50.0, None),
    target("an idle Worker, KB", Idle("taffrail-p2"), 100.0, None),
    target("an idle Worker that is a script, KB", Idle("taffrail-js"), 2_000.0, None),
    target("1 connection / wasmtime serve", Ratio("taffrail-1-connection", "wasmtime-1-connection"), 1.0, None),
    target("256 connections / wasmtime serve", Ratio("taffrail-256-connections", "wasmtime-256-connections"), 1.0, None),
    target("4096 connections / wasmtime serve", Ratio("taffrail-4096-connections", "wasmtime-4096-connections"), 1.0, None),
    target("bodies of 1 kB / wasmtime serve", Ratio("taffrail-echo-1-kB", "wasmtime-echo-1-kB"), 1.0, None),
    target("bodies of 1 MB / wasmtime serve", Ratio("taffrail-echo-1-MB", "wasmtime-echo-1-MB"), 1.0, None),
    target("bodies of 100 MB / wasmtime serve", Ratio("taffrail-echo-100-MB", "wasmtime-echo-100-MB"), 1.0, None),
    target("memory with bodies of 100 MB / of 1 MB", Memory("taffrail-echo-100-MB", "taffrail-echo-1-MB"), 1.1, None),
    target("items lost", Lost, 0.0, None),
];

/// A target whose figure was measured.
pub(crate) struct Checked {
    pub(crate) target: &'static Target,
    pub(crate) measured: f64,
    /// What is added, in parts of what there is without it.
    pub(crate) share: Option<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Verdict {
    Missed,
    Reached,
    /// With the stretch.
    Stretched,
}

/// The targets whose figures were measured.
pub(crate) fn check(report: &Report) -> Vec<Checked> {
    let targets = TARGETS.iter();
    targets
        .filter_map(|target| {
            let measured = target.figure.measured(report)?;
            let share = match target.figure {
                Added(_, without) => Some(measured / report.row(without)?.median(Sample::cpu)),
                _ => None,
            };
            Some(Checked {
                target,
                measured,
                share,
            })
        })
        .collect()
}

impl Figure {
    /// None if a row is missing.
    fn measured(&self, report: &Report) -> Option<f64> {
        let compared = |own: &str, other: &str, compare: fn(&Sample, &Sample) -> f64| {
            report.row(own)?.compared(report.row(other)?, compare)
        };
        match self {
            Ratio(own, other) => compared(own, other, |own, other| own.cpu() / other.cpu()),
            Added(own, other) => compared(own, other, |own, other| own.cpu() - other.cpu()),
            P50(own, other) => compared(own, other, |own, other| own.p50 / other.p50),
            P99(own, other) => compared(own, other, |own, other| own.p99 / other.p99),
            Memory(own, other) => compared(own, other, |own, other| own.resident / other.resident),
            Cpu(name) => Some(report.row(name)?.median(Sample::cpu)),
            Start(name) => report.figure(&start_of(name)),
            Later(own, other) => {
                Some(report.figure(&start_of(own))? - report.figure(&start_of(other))?)
            }
            Idle(name) => report.figure(&idle_of(name)),
            Lost if report.losses.is_empty() => None,
            Lost => {
                let recorded = report.losses.iter().map(|loss| &loss.recorded);
                let lost = recorded.map(|recorded| recorded.requests.abs_diff(recorded.tailed));
                Some(lost.sum::<usize>() as f64)
            }
        }
    }
}

impl Checked {
    pub(crate) fn verdict(&self) -> Verdict {
        let stretched = |stretch| self.measured <= stretch;
        if self.target.stretch.is_some_and(stretched) {
            Verdict::Stretched
        } else if self.measured <= self.target.bound {
            Verdict::Reached
        } else {
            Verdict::Missed
        }
    }

    pub(crate) fn json(&self) -> Value {
        json!({
            "target": self.target.name,
            "measured": self.measured,
            "at_most": self.target.bound,
            "stretch": self.target.stretch,
            "share": self.share,
            "reached": self.verdict() != Verdict::Missed,
        })
    }
}
