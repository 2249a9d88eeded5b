//! Arithmetic with times in a time zone, all in seconds since 1970.

use crate::types::Unit;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

const DAY: i64 = 86_400;

/// The day of the first Monday since 1970.
const MONDAY: i64 = 4;

/// What clocks in a time zone show.
pub(super) fn civil(seconds: i64, zone: &TimeZone) -> Result<DateTime, String> {
    let time = Timestamp::from_second(seconds);
    let time = time.map_err(|_| out_of_range(seconds))?;
    Ok(zone.to_datetime(time))
}

pub(super) fn out_of_range(seconds: i64) -> String {
    format!("the time {seconds} s after 1970 is out of range")
}

/// What clocks in a time zone show, as seconds since they showed 1970.
pub(super) fn local(seconds: i64, zone: &TimeZone) -> Result<i64, String> {
    let shown = civil(seconds, zone)?;
    let local = TimeZone::UTC.to_timestamp(shown);
    local
        .map(Timestamp::as_second)
        .map_err(|_| out_of_range(seconds))
}

/// The time at which clocks in a time zone show this.
fn from_local(local: i64, zone: &TimeZone) -> Result<i64, String> {
    let shown = civil(local, &TimeZone::UTC)?;
    from_civil(shown, zone).ok_or_else(|| out_of_range(local))
}

fn from_civil(shown: DateTime, zone: &TimeZone) -> Option<i64> {
    zone.to_timestamp(shown).ok().map(Timestamp::as_second)
}

/// The beginning of the interval of `count` units in which a time is.
pub(super) fn start(seconds: i64, count: i64, unit: Unit, zone: &TimeZone) -> Result<i64, String> {
    let count = count.clamp(1, i64::from(i32::MAX));
    let local = local(seconds, zone)?;
    match unit {
        Unit::Millisecond => Ok(seconds),
        Unit::Second | Unit::Minute | Unit::Hour => {
            let step = unit.seconds().unwrap_or(1) * count;
            // Back from the time itself: clocks may have shown the beginning twice.
            Ok(seconds - local.rem_euclid(step))
        }
        Unit::Day => from_local(local.div_euclid(DAY * count) * DAY * count, zone),
        Unit::Week => {
            let monday = MONDAY * DAY;
            let step = 7 * DAY * count;
            from_local((local - monday).div_euclid(step) * step + monday, zone)
        }
        Unit::Month | Unit::Quarter | Unit::Year => {
            let shown = civil(seconds, zone)?;
            let step = unit.months().unwrap_or(1) * count;
            let months = i64::from(shown.year()) * 12 + i64::from(shown.month()) - 1;
            let first = months.div_euclid(step) * step;
            let (year, month) = (first.div_euclid(12), first.rem_euclid(12) + 1);
            let year = i16::try_from(year).unwrap_or(i16::MIN);
            let shown = DateTime::new(year, month as i8, 1, 0, 0, 0, 0);
            let start = shown.ok().and_then(|shown| from_civil(shown, zone));
            start.ok_or_else(|| out_of_range(seconds))
        }
    }
}

/// A time that is so many units later, on clocks in a time zone from days on.
pub(super) fn moved(seconds: i64, count: i64, unit: Unit, zone: &TimeZone) -> Result<i64, String> {
    let span = |count: i64| match unit {
        Unit::Day => Span::new().try_days(count),
        Unit::Week => Span::new().try_weeks(count),
        unit => Span::new().try_months(count.saturating_mul(unit.months().unwrap_or(0))),
    };
    match unit {
        Unit::Millisecond | Unit::Second | Unit::Minute | Unit::Hour => {
            let span = count.saturating_mul(unit.seconds().unwrap_or(0));
            Ok(seconds.saturating_add(span))
        }
        _ => {
            let shown = civil(seconds, zone)?;
            let moved = span(count).and_then(|span| shown.checked_add(span));
            let moved = moved.ok().and_then(|shown| from_civil(shown, zone));
            moved.ok_or_else(|| out_of_range(seconds))
        }
    }
}

/// A part of what clocks show.
pub(super) fn part(shown: DateTime, part: &str) -> Result<i64, String> {
    let (year, month) = (i64::from(shown.year()), i64::from(shown.month()));
    Ok(match part {
        "year" => year,
        "quarter" => (month - 1) / 3 + 1,
        "month" => month,
        "day" => shown.day().into(),
        "weekday" => shown.weekday().to_monday_one_offset().into(),
        "hour" => shown.hour().into(),
        "minute" => shown.minute().into(),
        "second" => shown.second().into(),
        "year_month" => year * 100 + month,
        other => return Err(format!("a time has no {other}")),
    })
}
