//! Measures, as data, for OTLP and for whoever else shows them.

mod delta;
pub(crate) mod encode;
mod histogram;
mod measures;
pub(crate) mod own;
pub(crate) mod reader;

pub use histogram::Histogram;
pub use measures::{Ended, Measures, OfWorker};

/// The metrics of one Worker, or of the process.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// Whose they are.
    pub of: Of,
    /// The metrics.
    pub metrics: Vec<Metric>,
}

/// Whose metrics a group has.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Of {
    /// Those of a Worker, by its name.
    Worker(String),
    /// Those of all Workers that are not told apart.
    OtherWorkers,
    /// Those of the process.
    Process,
}

/// One metric.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// What it says.
    pub description: &'static str,
    /// Its unit, in UCUM.
    pub unit: &'static str,
    /// What was measured.
    pub points: Points,
}

/// The values of a metric. Those of counters and histograms are counted from the start of the
/// process.
#[derive(Clone, Debug, PartialEq)]
pub enum Points {
    /// Numbers that only grow.
    Counter(Vec<Number>),
    /// Numbers that also shrink.
    UpDownCounter(Vec<Number>),
    /// Distributions of values.
    Histogram(Vec<(Labels, Histogram)>),
}

/// The attributes of a value.
pub type Labels = Vec<(&'static str, String)>;

/// A value with its attributes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Number {
    /// The attributes.
    pub labels: Labels,
    /// The value.
    pub value: u64,
}
