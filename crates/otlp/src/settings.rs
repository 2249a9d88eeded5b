//! Where telemetry goes, and how: from the configuration and the environment.

mod environment;
mod parse;

use crate::signal::Signal;
use environment::Environment;
use http::{HeaderMap, Uri};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

/// The endpoint of a collector that runs beside Taffrail.
const DEFAULT_ENDPOINT: &str = "http://localhost:4318";

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
const DEFAULT_INTERVAL: Duration = Duration::from_secs(60);

/// The most bytes of attributes that the environment may add to every resource.
const RESOURCE_BYTES: usize = 16 << 10;

/// What a configuration file says, as text. The environment comes before it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// The base URL, to which `/v1/traces` and so on are added.
    pub endpoint: Option<String>,
    /// Headers of each request.
    pub headers: BTreeMap<String, String>,
    /// `http/protobuf` or `http/json`.
    pub protocol: Option<String>,
    /// Names of signals. All of them if there is no list.
    pub signals: Option<Vec<String>>,
}

/// A value that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("`{key}`: {problem}")]
pub struct SettingsError {
    /// The environment variable or the key in the configuration.
    pub key: String,
    /// What is wrong with its value.
    pub problem: String,
}

impl SettingsError {
    fn new(key: impl Into<String>, problem: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            problem: problem.into(),
        }
    }
}

/// How messages are encoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// `http/protobuf`
    #[default]
    Protobuf,
    /// `http/json`
    Json,
}

/// From when on metrics are counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Temporality {
    /// From the start of the process.
    #[default]
    Cumulative,
    /// From the message before.
    Delta,
}

/// Where one signal goes.
#[derive(Clone, Debug, PartialEq)]
pub struct Destination {
    /// The whole URL.
    pub url: Uri,
    /// Headers of each request. Their values are not shown by `Debug`.
    pub headers: HeaderMap,
    /// How messages are encoded.
    pub protocol: Protocol,
    /// Whether messages are compressed with gzip.
    pub gzip: bool,
    /// How long one attempt may take.
    pub timeout: Duration,
    /// A file of certificates in PEM that are trusted instead of the public ones.
    pub certificate: Option<PathBuf>,
}

/// Where telemetry goes, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Where each signal goes that is exported.
    pub destinations: BTreeMap<Signal, Destination>,
    /// The name of the service, if it is not that of the Worker.
    pub service_name: Option<String>,
    /// Attributes of every resource.
    pub resource_attributes: Vec<(String, String)>,
    /// How often metrics are sent.
    pub metric_interval: Duration,
    /// From when on metrics are counted.
    pub temporality: Temporality,
}

impl Settings {
    /// Reads the settings. `config` is the table `taffrail.otlp`, and `variable` reads an
    /// environment variable, which comes before the same key of the table. Returns `None` if
    /// nothing is to be exported: there is neither a table nor an endpoint in the environment,
    /// `OTEL_SDK_DISABLED` is `true`, or no signal is left.
    ///
    /// # Errors
    ///
    /// Fails for a value that cannot be used. The error does not contain the values of headers.
    pub fn new(
        config: Option<&Config>,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, SettingsError> {
        let environment = Environment::new(&variable);
        if environment.is_disabled() || config.is_none() && !environment.has_endpoint() {
            return Ok(None);
        }
        let default = Config::default();
        let config = config.unwrap_or(&default);
        let mut destinations = BTreeMap::new();
        for signal in signals(config)? {
            if environment.exports(signal)? {
                destinations.insert(signal, destination(signal, config, &environment)?);
            }
        }
        if destinations.is_empty() {
            return Ok(None);
        }
        let mut resource_attributes = environment.resource_attributes()?;
        let bytes: usize = resource_attributes
            .iter()
            .map(|(name, value)| name.len() + value.len())
            .sum();
        if bytes > RESOURCE_BYTES {
            let problem = format!("it has more than {RESOURCE_BYTES} bytes");
            return Err(SettingsError::new("OTEL_RESOURCE_ATTRIBUTES", problem));
        }
        let named = resource_attributes
            .extract_if(.., |(name, _)| name == "service.name")
            .last();
        Ok(Some(Self {
            destinations,
            service_name: environment
                .service_name()
                .or_else(|| named.map(|(_, value)| value)),
            resource_attributes,
            metric_interval: environment.metric_interval()?.unwrap_or(DEFAULT_INTERVAL),
            temporality: environment.temporality()?,
        }))
    }
}

/// Returns the signals that the configuration names.
fn signals(config: &Config) -> Result<BTreeSet<Signal>, SettingsError> {
    let Some(names) = &config.signals else {
        return Ok(Signal::ALL.into());
    };
    let signal = |name: &String| {
        let signal = Signal::ALL.into_iter().find(|signal| signal.name() == name);
        signal.ok_or_else(|| {
            let problem = format!("{name:?} is none of \"traces\", \"logs\" and \"metrics\"");
            SettingsError::new("taffrail.otlp.signals", problem)
        })
    };
    names.iter().map(signal).collect()
}

fn destination(
    signal: Signal,
    config: &Config,
    environment: &Environment<'_>,
) -> Result<Destination, SettingsError> {
    let url = match environment.endpoint(signal)? {
        Some(url) => url,
        None => {
            let key = "taffrail.otlp.endpoint";
            let base = config.endpoint.as_deref().unwrap_or(DEFAULT_ENDPOINT);
            parse::base_url(key, base, signal)?
        }
    };
    let mut headers = HeaderMap::new();
    for (name, value) in &config.headers {
        let key = "taffrail.otlp.headers";
        parse::add_header(key, name, value, &mut headers)?;
    }
    environment.add_headers(signal, &mut headers)?;
    let protocol = match (environment.protocol(signal)?, &config.protocol) {
        (Some(protocol), _) => protocol,
        (None, Some(text)) => parse::protocol("taffrail.otlp.protocol", text)?,
        (None, None) => Protocol::default(),
    };
    Ok(Destination {
        url,
        headers,
        protocol,
        gzip: environment.gzip(signal)?,
        timeout: environment.timeout(signal)?.unwrap_or(DEFAULT_TIMEOUT),
        certificate: environment.certificate(signal),
    })
}

#[cfg(test)]
mod tests;
