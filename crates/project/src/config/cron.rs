//! Cron expressions, in Cloudflare's syntax.

use crate::error::{Error, Result};
use croner::parser::{CronParser, Seconds, Year};
use jiff::{Timestamp, tz::TimeZone};

/// A cron expression of five fields, in UTC. Weekdays count from 1, which is Sunday.
#[derive(Clone, Debug, PartialEq)]
pub struct Cron {
    /// The expression as it was written.
    pub text: String,
    parsed: croner::Cron,
}

impl Cron {
    /// Parses an expression.
    ///
    /// # Errors
    ///
    /// Fails if the text is not a cron expression of five fields.
    pub fn parse(text: &str) -> Result<Self> {
        let parser = CronParser::builder()
            .seconds(Seconds::Disallowed)
            .year(Year::Disallowed)
            .alternative_weekdays(true)
            .build();
        let parsed = parser.parse(text).map_err(|error| {
            let error = error.to_string();
            let error = error.trim_end_matches('.');
            Error::configuration(format!(
                "`{text}` is not a cron expression such as `*/5 * * * *`: {error}"
            ))
        })?;
        Ok(Self {
            text: text.to_owned(),
            parsed,
        })
    }

    /// Returns the next due time after `now`, if there is one.
    #[must_use]
    pub fn next(&self, now: Timestamp) -> Option<Timestamp> {
        let now = now.to_zoned(TimeZone::UTC);
        let next = self.parsed.find_next_occurrence(&now, false).ok()?;
        Some(next.timestamp())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crons_are_due_when_cloudflare_fires_them() {
        // A Saturday.
        let now: Timestamp = "2026-11-21T12:34:56Z".parse().unwrap();
        for (cron, next) in [
            ("* * * * *", "2026-11-21T12:35:00Z"),
            ("*/15 * * * *", "2026-11-21T12:45:00Z"),
            ("0 17 * * 1", "2026-11-22T17:00:00Z"),
            ("0 17 * * sun", "2026-11-22T17:00:00Z"),
            ("10 7 * * mon-fri", "2026-11-23T07:10:00Z"),
            ("0 15 1 * *", "2026-12-01T15:00:00Z"),
            ("59 23 LW * *", "2026-11-30T23:59:00Z"),
        ] {
            let due = Cron::parse(cron).unwrap().next(now).unwrap();
            assert_eq!(due.to_string(), next, "{cron}");
        }
    }

    #[test]
    fn an_invalid_expression_is_an_error() {
        for text in ["", "* * * *", "61 * * * *", "* * * * * *", "often"] {
            let error = Cron::parse(text).unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("`{text}` is not a cron")),
                "{error}"
            );
        }
    }
}
