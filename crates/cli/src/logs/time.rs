//! Times on the command line.

use crate::args::{KeptOptions, UsageError};
use anyhow::Result;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, Zoned};
use taffrail_trace::EpochMs;

/// Returns the range of time that options give.
pub(super) fn range(options: &KeptOptions) -> Result<(Option<EpochMs>, Option<EpochMs>)> {
    let now = Zoned::now();
    let time = |name, text: &Option<String>| {
        let text = text.as_deref();
        text.map(|text| parse(name, text, &now)).transpose()
    };
    let since = time("--since", &options.since)?;
    Ok((since, time("--until", &options.until)?))
}

/// Reads the time of `--since`.
pub(crate) fn since(text: &str) -> Result<EpochMs> {
    parse("--since", text, &Zoned::now())
}

/// Returns the present time.
pub(super) fn now() -> EpochMs {
    milliseconds(Timestamp::now())
}

fn parse(option: &str, text: &str, now: &Zoned) -> Result<EpochMs> {
    let before = |text: &str| {
        let span: Span = text.parse().ok()?;
        Some(now.checked_sub(span.abs()).ok()?.timestamp())
    };
    let local = |text: &str| {
        let time: DateTime = text.parse().ok()?;
        Some(time.to_zoned(TimeZone::system()).ok()?.timestamp())
    };
    let time = before(text)
        .or_else(|| text.parse().ok())
        .or_else(|| local(text));
    let time = time.ok_or_else(|| {
        UsageError::new(format!(
            "{option} {text}: expected a duration such as 90s, 1h or 2d, or a time such as '2026-11-27 14:00' or 2026-11-27T14:00:00Z"
        ))
    })?;
    Ok(milliseconds(time))
}

fn milliseconds(time: Timestamp) -> EpochMs {
    u64::try_from(time.as_millisecond()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_times_are_understood() {
        let now: Zoned = "2026-11-27T12:00:00[UTC]".parse().unwrap();
        let ms = milliseconds(now.timestamp());
        let parsed = |text| parse("--since", text, &now);
        for (text, before) in [("90s", 90_000), ("1h", 3_600_000), ("2d", 172_800_000)] {
            assert_eq!(parsed(text).unwrap(), ms - before, "{text}");
        }
        assert_eq!(parsed("1h 30m").unwrap(), ms - 5_400_000);
        assert_eq!(parsed("2026-11-27T11:59:59Z").unwrap(), ms - 1000);
        assert!(parsed("2026-11-27 11:00").is_ok() && parsed("2026-11-27").is_ok());
        let error = parsed("yesterday").unwrap_err().to_string();
        assert!(
            error.starts_with("--since yesterday: expected a duration such as 90s"),
            "{error}"
        );
    }
}
