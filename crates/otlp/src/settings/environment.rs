//! The environment variables of OpenTelemetry.

use super::parse;
use super::{Protocol, SettingsError, Temporality};
use crate::signal::Signal;
use http::{HeaderMap, Uri};
use std::path::PathBuf;
use std::time::Duration;

/// Reads variables. An empty one counts as absent, as OpenTelemetry specifies.
pub(super) struct Environment<'a> {
    variable: &'a dyn Fn(&str) -> Option<String>,
}

impl<'a> Environment<'a> {
    pub(super) fn new(variable: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self { variable }
    }

    fn get(&self, key: &str) -> Option<String> {
        let value = (self.variable)(key)?;
        let value = value.trim();
        (!value.is_empty()).then(|| value.to_owned())
    }

    /// Returns the value for a signal and its key: that of the signal alone, or that of all.
    fn of_signal(&self, signal: Signal, name: &str) -> Option<(String, String)> {
        let of_one = format!("OTEL_EXPORTER_OTLP_{}_{name}", upper(signal));
        let of_all = format!("OTEL_EXPORTER_OTLP_{name}");
        [of_one, of_all]
            .into_iter()
            .find_map(|key| self.get(&key).map(|value| (key, value)))
    }

    pub(super) fn is_disabled(&self) -> bool {
        self.get("OTEL_SDK_DISABLED")
            .is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// Whether any signal has an endpoint.
    pub(super) fn has_endpoint(&self) -> bool {
        Signal::ALL
            .into_iter()
            .any(|signal| self.of_signal(signal, "ENDPOINT").is_some())
    }

    /// Whether a signal is exported: `OTEL_TRACES_EXPORTER` and so on.
    pub(super) fn exports(&self, signal: Signal) -> Result<bool, SettingsError> {
        let key = format!("OTEL_{}_EXPORTER", upper(signal));
        match self.get(&key).as_deref() {
            None | Some("otlp") => Ok(true),
            Some("none") => Ok(false),
            Some(other) => {
                let problem = format!("{other:?} is neither \"otlp\" nor \"none\"");
                Err(SettingsError::new(key, problem))
            }
        }
    }

    /// Returns the whole URL for a signal. The endpoint of one signal is used as it is.
    pub(super) fn endpoint(&self, signal: Signal) -> Result<Option<Uri>, SettingsError> {
        let key = format!("OTEL_EXPORTER_OTLP_{}_ENDPOINT", upper(signal));
        if let Some(url) = self.get(&key) {
            return parse::url(&key, &url).map(Some);
        }
        let key = "OTEL_EXPORTER_OTLP_ENDPOINT";
        let base = self.get(key);
        base.map(|base| parse::base_url(key, &base, signal))
            .transpose()
    }

    /// Adds headers, which replace those of the same name. Those of one signal replace all those
    /// of all signals.
    pub(super) fn add_headers(
        &self,
        signal: Signal,
        headers: &mut HeaderMap,
    ) -> Result<(), SettingsError> {
        let Some((key, text)) = self.of_signal(signal, "HEADERS") else {
            return Ok(());
        };
        for (name, value) in parse::pairs(&key, &text)? {
            parse::add_header(&key, &name, &value, headers)?;
        }
        Ok(())
    }

    pub(super) fn protocol(&self, signal: Signal) -> Result<Option<Protocol>, SettingsError> {
        let value = self.of_signal(signal, "PROTOCOL");
        value
            .map(|(key, text)| parse::protocol(&key, &text))
            .transpose()
    }

    pub(super) fn gzip(&self, signal: Signal) -> Result<bool, SettingsError> {
        match self.of_signal(signal, "COMPRESSION") {
            None => Ok(false),
            Some((key, text)) => match text.as_str() {
                "gzip" => Ok(true),
                "none" => Ok(false),
                other => {
                    let problem = format!("{other:?} is neither \"gzip\" nor \"none\"");
                    Err(SettingsError::new(key, problem))
                }
            },
        }
    }

    pub(super) fn timeout(&self, signal: Signal) -> Result<Option<Duration>, SettingsError> {
        let value = self.of_signal(signal, "TIMEOUT");
        value
            .map(|(key, text)| parse::milliseconds(&key, &text))
            .transpose()
    }

    pub(super) fn certificate(&self, signal: Signal) -> Option<PathBuf> {
        let value = self.of_signal(signal, "CERTIFICATE");
        value.map(|(_, path)| path.into())
    }

    pub(super) fn service_name(&self) -> Option<String> {
        self.get("OTEL_SERVICE_NAME")
    }

    pub(super) fn resource_attributes(&self) -> Result<Vec<(String, String)>, SettingsError> {
        let key = "OTEL_RESOURCE_ATTRIBUTES";
        let text = self.get(key);
        text.map_or(Ok(Vec::new()), |text| parse::pairs(key, &text))
    }

    pub(super) fn metric_interval(&self) -> Result<Option<Duration>, SettingsError> {
        let key = "OTEL_METRIC_EXPORT_INTERVAL";
        let text = self.get(key);
        text.map(|text| parse::milliseconds(key, &text)).transpose()
    }

    pub(super) fn temporality(&self) -> Result<Temporality, SettingsError> {
        let key = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE";
        let text = self.get(key).unwrap_or_default().to_ascii_lowercase();
        match text.as_str() {
            "" | "cumulative" => Ok(Temporality::Cumulative),
            // What `lowmemory` leaves cumulative does not occur: asynchronous counters.
            "delta" | "lowmemory" => Ok(Temporality::Delta),
            other => {
                let problem = format!("{other:?} is neither \"cumulative\" nor \"delta\"");
                Err(SettingsError::new(key, problem))
            }
        }
    }
}

fn upper(signal: Signal) -> String {
    signal.name().to_ascii_uppercase()
}
