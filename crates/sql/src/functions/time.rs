//! Times: reading, showing, and their functions in SQLite.

use super::calendar::{self, civil, out_of_range};
use super::pattern;
use super::scalar;
use crate::types::Unit;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, tz};
use rusqlite::{Connection, Result};

pub(crate) use super::pattern::check as check_pattern;

pub(super) fn register(connection: &Connection) -> Result<()> {
    scalar(connection, "time_parsed", 2, |a| {
        parse(&a.text(0), &a.text(1))
    })?;
    scalar(connection, "time_day", 2, |a| {
        let local = calendar::local(a.integer(0)?.div_euclid(1_000), &known(&a.text(1))?)?;
        Ok(local.div_euclid(86_400))
    })?;
    scalar(connection, "time_formatted", 3, |a| {
        let milliseconds = a.integer(0)?;
        let time = timestamp(milliseconds)?.to_zoned(known(&a.text(2))?);
        Ok(pattern::format(&time, &a.text(1)))
    })?;
    scalar(connection, "time_part", 3, |a| {
        let time = civil(a.integer(0)?, &known(&a.text(2))?)?;
        calendar::part(time, &a.text(1))
    })?;
    scalar(connection, "time_start", 4, |a| {
        let unit = unit(&a.text(2))?;
        calendar::start(a.integer(0)?, a.integer(1)?, unit, &known(&a.text(3))?)
    })?;
    scalar(connection, "time_moved", 5, |a| {
        let (value, scale) = (a.integer(0)?, a.integer(3)?.max(1));
        let (seconds, rest) = (value.div_euclid(scale), value.rem_euclid(scale));
        let zone = known(&a.text(4))?;
        let moved = calendar::moved(seconds, a.integer(1)?, unit(&a.text(2))?, &zone)?;
        Ok(moved.saturating_mul(scale).saturating_add(rest))
    })
}

/// The names of all time zones, in their order.
pub(crate) fn zones() -> impl Iterator<Item = String> {
    let mut names: Vec<_> = tz::db().available().map(|name| name.to_string()).collect();
    names.sort_unstable();
    names.into_iter()
}

/// The time zone of this name.
pub(crate) fn zone(name: &str) -> Option<TimeZone> {
    match name {
        "UTC" => Some(TimeZone::UTC),
        name => TimeZone::get(name).ok(),
    }
}

/// Reads a time that a person writes, as milliseconds since 1970: `YYYY-MM-DD`, perhaps with
/// `hh:mm:ss` and an offset from UTC, or seconds since 1970.
pub(crate) fn parse(text: &str, zone: &str) -> Result<i64, String> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<i64>() {
        return Ok(seconds.saturating_mul(1_000));
    }
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time.as_millisecond());
    }
    let local = text.parse::<DateTime>().ok();
    let time = local.and_then(|time| self::zone(zone)?.to_timestamp(time).ok());
    time.map(|time| time.as_millisecond()).ok_or_else(|| {
        let shown: String = text.chars().take(40).collect();
        format!("'{shown}' is not a time; one is written '2026-01-31 23:59:59'")
    })
}

/// Shows days since 1970.
pub(crate) fn date(days: i64) -> String {
    let seconds = days.checked_mul(86_400);
    match seconds.and_then(|seconds| civil(seconds, &TimeZone::UTC).ok()) {
        Some(time) => time.date().to_string(),
        None => days.to_string(),
    }
}

/// Shows seconds since 1970 in a time zone.
pub(crate) fn second(seconds: i64, zone: &str) -> String {
    let time = self::zone(zone).and_then(|zone| civil(seconds, &zone).ok());
    time.map_or(seconds.to_string(), |time| {
        time.strftime("%Y-%m-%d %H:%M:%S").to_string()
    })
}

/// Shows milliseconds since 1970 in a time zone.
pub(crate) fn millisecond(milliseconds: i64, zone: &str) -> String {
    let seconds = second(milliseconds.div_euclid(1_000), zone);
    format!("{seconds}.{:03}", milliseconds.rem_euclid(1_000))
}

fn timestamp(milliseconds: i64) -> Result<Timestamp, String> {
    let time = Timestamp::from_millisecond(milliseconds);
    time.map_err(|_| out_of_range(milliseconds / 1_000))
}

fn known(name: &str) -> Result<TimeZone, String> {
    zone(name).ok_or_else(|| format!("there is no time zone `{name}`"))
}

fn unit(name: &str) -> Result<Unit, String> {
    Unit::named(name).ok_or_else(|| format!("there is no unit `{name}`"))
}
