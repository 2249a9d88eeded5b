//! Times in expressions.

use super::typed::{Typed, quoted};
use crate::functions::{PREFIX, time};
use crate::types::{Type, Unit};

/// Adds an interval to a time, or subtracts it.
pub(super) fn moved(from: &Typed, count: &Typed, unit: Unit, is_later: bool) -> Typed {
    let sign = if is_later { '+' } else { '-' };
    let zone = from.ty.zone();
    // A day of another zone may have 23 hours.
    let is_fixed = zone == "UTC" || matches!(unit, Unit::Second | Unit::Minute | Unit::Hour);
    let from = match (&from.ty, unit) {
        (Type::Date, Unit::Day | Unit::Week) => {
            let days = if unit == Unit::Week { 7 } else { 1 };
            let sql = format!("({} {sign} {} * {days})", from.sql, count.sql);
            return Typed::of(sql, Type::Date, &[from, count]);
        }
        (Type::Date, Unit::Millisecond) | (Type::DateTime(_), Unit::Millisecond) => Typed::of(
            milliseconds(from),
            Type::DateTime64(zone_of(&from.ty)),
            &[from],
        ),
        (Type::Date, _) => Typed::of(seconds(from), Type::DateTime(None), &[from]),
        _ => from.clone(),
    };
    let scale = if matches!(from.ty, Type::DateTime64(_)) {
        1_000
    } else {
        1
    };
    let sql = match (unit, unit.seconds().filter(|_| is_fixed)) {
        (Unit::Millisecond, _) => format!("({} {sign} {})", from.sql, count.sql),
        (_, Some(seconds)) => format!("({} {sign} {} * {})", from.sql, count.sql, seconds * scale),
        (unit, None) => format!(
            "{PREFIX}time_moved({}, {sign}{}, '{unit:?}', {scale}, {})",
            from.sql,
            count.sql,
            quoted(from.ty.zone())
        ),
    };
    Typed::of(sql, from.ty.clone(), &[&from, count])
}

/// The seconds between two times.
pub(super) fn difference(left: &Typed, right: &Typed) -> Typed {
    let is_exact = |typed: &Typed| matches!(typed.ty, Type::DateTime64(_));
    let (sql, ty) = match (&left.ty, &right.ty) {
        (Type::Date, Type::Date) => (format!("({} - {})", left.sql, right.sql), Type::Int32),
        _ if is_exact(left) || is_exact(right) => {
            let (left, right) = (milliseconds(left), milliseconds(right));
            (format!("(({left} - {right}) / 1000.0)"), Type::Float64)
        }
        _ => (
            format!("({} - {})", seconds(left), seconds(right)),
            Type::Int32,
        ),
    };
    Typed::of(sql, ty, &[left, right])
}

/// Returns the SQL of values one of which is a time, all in the same unit.
pub(super) fn comparable(parts: &[Typed]) -> Result<Vec<String>, String> {
    let are_exact = parts.iter().any(|part| {
        let has_fraction = part.literal().is_some_and(|text| text.contains('.'));
        matches!(part.ty, Type::DateTime64(_)) || has_fraction
    });
    let zones = parts.iter().filter(|part| part.ty.is_time());
    let zone = zones
        .map(|part| part.ty.zone())
        .find(|zone| *zone != "UTC")
        .unwrap_or("UTC");
    let one = |part: &Typed| match (&part.ty, part.literal()) {
        (ty, _) if ty.is_time() => Ok(if are_exact {
            milliseconds(part)
        } else {
            seconds(part)
        }),
        (Type::String, Some(text)) => {
            let milliseconds = time::parse(text, zone)?;
            let value = if are_exact {
                milliseconds
            } else {
                milliseconds.div_euclid(1_000)
            };
            Ok(Typed::integer(value).sql)
        }
        (Type::String, None) => {
            let scale = if are_exact { "" } else { " / 1000" };
            Ok(format!(
                "({PREFIX}time_parsed({}, {}){scale})",
                part.sql,
                quoted(zone)
            ))
        }
        (ty, _) if ty.is_number() => Ok(if are_exact {
            format!("({} * 1000)", part.sql)
        } else {
            part.sql.clone()
        }),
        (ty, _) => Err(format!("a time is compared with a {ty}")),
    };
    parts.iter().map(one).collect()
}

/// A time as seconds since 1970.
pub(super) fn seconds(time: &Typed) -> String {
    match time.ty {
        Type::Date => format!("({} * 86400)", time.sql),
        Type::DateTime64(_) => format!("{PREFIX}floor_div({}, 1000)", time.sql),
        _ => time.sql.clone(),
    }
}

/// A time as milliseconds since 1970.
pub(super) fn milliseconds(time: &Typed) -> String {
    match time.ty {
        Type::Date => format!("({} * 86400000)", time.sql),
        Type::DateTime(_) => format!("({} * 1000)", time.sql),
        _ => time.sql.clone(),
    }
}

/// The time zone of a type, unless it is UTC.
pub(super) fn zone_of(ty: &Type) -> Option<String> {
    match ty.zone() {
        "UTC" => None,
        zone => Some(zone.to_owned()),
    }
}
