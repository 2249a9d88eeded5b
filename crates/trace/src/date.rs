//! Dates as JavaScript prints them, and back.

use crate::item::EpochMs;
use serde::Serializer;

const MS_PER_DAY: u64 = 24 * 60 * 60 * 1000;
const DAYS_FROM_0000_03_01_TO_1970: u64 = 719_468;
const DAYS_PER_400_YEARS: u64 = 146_097;

/// Serialises a time as `Date.prototype.toISOString` prints it.
pub(crate) fn iso8601<S: Serializer>(time: &EpochMs, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&iso8601_string(*time))
}

/// A time as `Date.prototype.toISOString` prints it: `2026-11-21T01:43:18.123Z`. A year
/// after 9999 has a sign and at least six digits.
#[must_use]
pub fn iso8601_string(time: EpochMs) -> String {
    let (year, month, day) = civil_date(time / MS_PER_DAY);
    let year = if year > 9999 {
        format!("+{year:06}")
    } else {
        format!("{year:04}")
    };
    let ms = time % MS_PER_DAY;
    let (hour, minute, second) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
    let ms = ms % 1000;
    format!("{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
}

/// The year, month and day of a number of days since 1970-01-01.
///
/// This is the algorithm `civil_from_days` described at
/// <https://howardhinnant.github.io/date_algorithms.html>: the calendar repeats
/// every 400 years, and a year that starts in March has its leap day last.
fn civil_date(days_since_1970: u64) -> (u64, u64, u64) {
    let days = days_since_1970 + DAYS_FROM_0000_03_01_TO_1970;
    let era = days / DAYS_PER_400_YEARS;
    let day_of_era = days % DAYS_PER_400_YEARS;
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let months_since_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * months_since_march + 2) / 5 + 1;
    let month = (months_since_march + 2) % 12 + 1;
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

/// The time that a date says which [`iso8601_string`] made.
pub(crate) fn parse_iso8601(date: &str) -> Option<EpochMs> {
    let (date, time) = date.strip_suffix('Z')?.split_once('T')?;
    let mut date = date.rsplitn(3, '-');
    let (day, month) = (number(date.next()?)?, number(date.next()?)?);
    let year = date.next()?;
    let year = number(year.strip_prefix('+').unwrap_or(year))?;
    let mut time = time.split([':', '.']);
    let (hour, minute) = (number(time.next()?)?, number(time.next()?)?);
    let (second, ms) = (number(time.next()?)?, number(time.next()?)?);
    let is_in_range = (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && (hour < 24 && minute < 60 && second < 60 && ms < 1000);
    if !is_in_range || time.next().is_some() {
        return None;
    }
    let days = days_since_1970(year, month, day)?;
    let ms = ((hour * 60 + minute) * 60 + second) * 1000 + ms;
    days.checked_mul(MS_PER_DAY)?.checked_add(ms)
}

fn number(digits: &str) -> Option<u64> {
    let all_digits = digits.bytes().all(|byte| byte.is_ascii_digit());
    all_digits.then(|| digits.parse().ok())?
}

/// The inverse of [`civil_date`], for a day that exists.
fn days_since_1970(year: u64, month: u64, day: u64) -> Option<u64> {
    if !(1970..=600_000_000).contains(&year) {
        return None;
    }
    let year = year - u64::from(month <= 2);
    let (era, year_of_era) = (year / 400, year % 400);
    let months_since_march = (month + 9) % 12;
    let day_of_year = (153 * months_since_march + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = era * DAYS_PER_400_YEARS + day_of_era - DAYS_FROM_0000_03_01_TO_1970;
    (civil_date(days) == (year + u64::from(month <= 2), month, day)).then_some(days)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_what_javascript_prints() {
        let table = [
            (0, "1970-01-01T00:00:00.000Z"),
            (1, "1970-01-01T00:00:00.001Z"),
            (86_399_999, "1970-01-01T23:59:59.999Z"),
            (86_400_000, "1970-01-02T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (951_868_799_999, "2000-02-29T23:59:59.999Z"),
            (951_868_800_000, "2000-03-01T00:00:00.000Z"),
            (1_700_000_000_123, "2023-11-14T22:13:20.123Z"),
            (1_709_164_800_000, "2024-02-29T00:00:00.000Z"),
            (1_795_225_398_123, "2026-11-21T01:43:18.123Z"),
            (4_107_542_399_999, "2100-02-28T23:59:59.999Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
            (253_402_300_800_000, "+010000-01-01T00:00:00.000Z"),
            (8_640_000_000_000_000, "+275760-09-13T00:00:00.000Z"),
            (u64::MAX, "+584556019-04-03T14:25:51.615Z"),
        ];
        for (time, printed) in table {
            assert_eq!(iso8601_string(time), printed, "{time}");
            assert_eq!(parse_iso8601(printed), Some(time), "{printed}");
        }
    }

    #[test]
    fn a_date_that_does_not_exist_is_none() {
        for date in [
            "",
            "2026-11-21",
            "2026-11-21T01:43:18.123",
            "2026-11-21T01:43:18Z",
            "2026-13-21T01:43:18.123Z",
            "2026-00-21T01:43:18.123Z",
            "2026-02-29T01:43:18.123Z",
            "2026-11-21T24:43:18.123Z",
            "2026-11-21T-1:43:18.123Z",
            "1969-12-31T23:59:59.999Z",
            "+999999999999-01-01T00:00:00.000Z",
        ] {
            assert_eq!(parse_iso8601(date), None, "{date}");
        }
    }

    #[test]
    fn follows_the_calendar_day_by_day_for_430_years() {
        let is_leap = |year: u64| {
            year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
        };
        let mut day_number = 0;
        for year in 1970..2400 {
            let february = if is_leap(year) { 29 } else { 28 };
            let lengths = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
            for (month, length) in (1..).zip(lengths) {
                for day in 1..=length {
                    assert_eq!(civil_date(day_number), (year, month, day));
                    assert_eq!(days_since_1970(year, month, day), Some(day_number));
                    day_number += 1;
                }
            }
        }
    }
}
