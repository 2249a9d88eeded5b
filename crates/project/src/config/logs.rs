//! Which items of a Worker are kept as logs.

use std::time::Duration;

use crate::error::{Error, Result};
use taffrail_logs::{Privacy, Retention, Scrub};

use super::schema::{Keep, ObservabilityTable, TaffrailTable};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Which items of a Worker are kept as logs: `observability`, and keys of `taffrail`.
#[derive(Clone, Debug, PartialEq)]
pub struct LogSettings {
    /// Whether any are kept.
    pub enabled: bool,
    /// Whether spans are kept, of the traces that are recorded.
    pub traces: bool,
    /// The share of requests of which all items are kept, from 0 to 1.
    pub sampling_rate: f64,
    /// Whether invocations are shown beside their logs and exceptions.
    pub invocation_logs: bool,
    /// Whether all failures are kept.
    pub keep_failures: bool,
    /// Whether all invocations are kept that last a second or longer.
    pub keep_slow: bool,
    /// Whether query strings of URLs are removed.
    pub redact_query_string: bool,
    /// Patterns whose matches are removed from logs: names of common secrets, or regular
    /// expressions.
    pub redact: Vec<String>,
    /// How long they are kept. That of the first Worker counts.
    pub retention: Retention,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self {
            enabled: false,
            traces: false,
            sampling_rate: 1.0,
            invocation_logs: true,
            keep_failures: false,
            keep_slow: false,
            redact_query_string: false,
            redact: Vec::new(),
            retention: Retention::default(),
        }
    }
}

impl LogSettings {
    pub(super) fn new(table: &ObservabilityTable, taffrail: &TaffrailTable) -> Result<Self> {
        let (logs, traces) = (&table.logs, &table.traces);
        let default = Self::default();
        let is_enabled = logs.enabled.or(table.enabled).unwrap_or(false);
        let rate = logs.head_sampling_rate.or(table.head_sampling_rate);
        let settings = Self {
            enabled: is_enabled && logs.persist.unwrap_or(true),
            traces: traces.enabled.unwrap_or(false) && traces.persist.unwrap_or(true),
            sampling_rate: rate.map_or(default.sampling_rate, |rate| rate.0),
            invocation_logs: logs.invocation_logs.unwrap_or(true),
            keep_failures: taffrail.keep.contains(&Keep::Failures),
            keep_slow: taffrail.keep.contains(&Keep::Slow),
            redact_query_string: table.redact_query_string,
            redact: taffrail.redact.clone(),
            retention: Retention {
                age: (taffrail.logs.days.as_ref()).map_or(default.retention.age, |days| {
                    DAY * u32::try_from(days.0).unwrap_or(u32::MAX)
                }),
                bytes: (taffrail.logs.mb.as_ref()).map_or(default.retention.bytes, |mb| mb.0 << 20),
            },
        };
        settings.privacy()?;
        Ok(settings)
    }

    /// Returns what is removed from items before they are kept.
    ///
    /// # Errors
    ///
    /// Fails if a pattern is no regular expression.
    pub(crate) fn privacy(&self) -> Result<Privacy> {
        Ok(Privacy {
            redact_query_string: self.redact_query_string,
            scrub: Scrub::new(&self.redact)
                .map_err(|error| Error::configuration(format!("`taffrail.redact`: {error}")))?,
        })
    }
}
