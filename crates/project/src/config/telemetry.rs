//! What is exported of a Worker, and where to.

use super::schema::{ObservabilityTable, OtlpTable, TaffrailTable};

/// What is exported of a Worker to an OpenTelemetry collector: `observability`, and
/// `taffrail.otlp`.
#[derive(Clone, Debug, PartialEq)]
pub struct TelemetrySettings {
    /// Whether spans are, of the traces that are sampled.
    pub traces: bool,
    /// Whether logs and exceptions are, of the requests that are sampled.
    pub logs: bool,
    /// The share of traces whose spans are recorded, from 0 to 1. It applies to the traces that
    /// begin with this Worker.
    pub trace_sampling_rate: f64,
    /// Where telemetry goes. That of the first Worker that has it counts for all.
    pub otlp: Option<taffrail_otlp::Config>,
}

impl Default for TelemetrySettings {
    fn default() -> Self {
        Self {
            traces: true,
            logs: true,
            trace_sampling_rate: 1.0,
            otlp: None,
        }
    }
}

impl TelemetrySettings {
    pub(super) fn new(table: &ObservabilityTable, taffrail: &TaffrailTable) -> Self {
        let (logs, traces) = (&table.logs, &table.traces);
        let rate = traces.head_sampling_rate.or(table.head_sampling_rate);
        Self {
            traces: traces.enabled.or(table.enabled).unwrap_or(true),
            logs: logs.enabled.or(table.enabled).unwrap_or(true),
            trace_sampling_rate: rate.map_or(1.0, |rate| rate.0),
            otlp: taffrail.otlp.as_ref().map(config),
        }
    }
}

fn config(table: &OtlpTable) -> taffrail_otlp::Config {
    taffrail_otlp::Config {
        endpoint: table.endpoint.clone(),
        headers: table.headers.clone(),
        protocol: table.protocol.clone(),
        signals: table.signals.clone(),
    }
}
