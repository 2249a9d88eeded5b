//! Sends what happened in invocations to an OpenTelemetry collector, as traces, logs and metrics,
//! by OTLP over HTTP.
//!
//! [`Settings`] come from the configuration and from the environment variables that OpenTelemetry
//! specifies. An [`Exporter`] accepts finished items, and sends them in batches. What is lost is
//! counted.

mod answer;
mod client;
mod clock;
mod counts;
mod deliver;
mod encode;
mod exporter;
mod metrics;
mod pipeline;
mod queue;
mod settings;
mod signal;
mod trouble;

pub use counts::{Counts, Records};
pub use exporter::Exporter;
pub use metrics::{
    Ended, Group, Histogram, Labels, Measures, Metric, Number, Of, OfWorker, Points,
};
pub use queue::Edit;
pub use settings::{Config, Destination, Protocol, Settings, SettingsError, Temporality};
pub use signal::Signal;

#[cfg(test)]
mod tests;
