//! Functions of times.

use super::times::{milliseconds, seconds, zone_of};
use super::typed::{Built, Typed};
use crate::functions::time;
use crate::types::{Type, Unit};

/// A time, as strings of the query can be.
fn timed(value: &Typed) -> Built {
    match &value.ty {
        ty if ty.is_time() => Ok(value.clone()),
        Type::String | Type::Dynamic => to_time(std::slice::from_ref(value)),
        ty => Err(format!("needs a time, not a {ty}")),
    }
}

/// The name of a time zone that is written in the query.
fn zone(argument: &Typed) -> Result<String, String> {
    let name = argument
        .literal()
        .ok_or("needs the name of a time zone in quotes")?;
    match time::zone(name) {
        Some(_) => Ok(name.to_owned()),
        None => Err(format!(
            "does not know the time zone '{name}'; SHOW TIMEZONES lists those that there are"
        )),
    }
}

/// A time with the zone that may be the last argument.
fn zoned(arguments: &[Typed], index: usize) -> Built {
    let mut value = timed(&arguments[0])?;
    if let Some(argument) = arguments.get(index) {
        let name = zone(argument)?;
        value.ty = match value.ty {
            Type::DateTime64(_) => Type::DateTime64(Some(name)),
            Type::Date => {
                value.sql = seconds(&value);
                Type::DateTime(Some(name))
            }
            _ => Type::DateTime(Some(name)),
        };
    }
    Ok(value)
}

pub(super) fn to_time(arguments: &[Typed]) -> Built {
    let value = &arguments[0];
    let name = arguments.get(1).map(zone).transpose()?;
    let ty = Type::DateTime(name.clone().or_else(|| zone_of(&value.ty)));
    let zone = Typed::text(name.as_deref().unwrap_or("UTC"));
    match &value.ty {
        known if known.is_time() => Ok(Typed::of(seconds(value), ty, &[value])),
        Type::String | Type::Dynamic => match value.literal() {
            Some(text) => {
                let milliseconds = time::parse(text, name.as_deref().unwrap_or("UTC"))?;
                Ok(Typed {
                    constant: None,
                    ty,
                    ..Typed::integer(milliseconds.div_euclid(1_000))
                })
            }
            None => {
                let parsed = Typed::call("time_parsed", &[value, &zone], Type::Int64);
                Ok(Typed::call(
                    "floor_div",
                    &[&parsed, &Typed::integer(1_000)],
                    ty,
                ))
            }
        },
        number if number.is_number() => {
            Ok(Typed::call("floor_div", &[value, &Typed::integer(1)], ty))
        }
        other => Err(format!("makes no time of a {other}")),
    }
}

pub(super) fn unix_timestamp(arguments: &[Typed]) -> Built {
    let value = timed(&arguments[0])?;
    Ok(Typed::of(seconds(&value), Type::UInt32, &[&value]))
}

pub(super) fn to_date(arguments: &[Typed]) -> Built {
    let value = timed(&arguments[0])?;
    if value.ty == Type::Date {
        return Ok(value);
    }
    let milliseconds = Typed::of(milliseconds(&value), Type::Int64, &[&value]);
    Ok(Typed::call(
        "time_day",
        &[&milliseconds, &Typed::text(value.ty.zone())],
        Type::Date,
    ))
}

pub(super) fn time_formatted(arguments: &[Typed]) -> Built {
    let value = zoned(arguments, 2)?;
    let Some(pattern) = arguments[1].literal() else {
        return Err("needs a format that is written in the query".to_owned());
    };
    time::check_pattern(pattern)?;
    let milliseconds = Typed::of(milliseconds(&value), Type::Int64, &[&value]);
    let zone = Typed::text(value.ty.zone());
    Ok(Typed::call(
        "time_formatted",
        &[&milliseconds, &arguments[1], &zone],
        Type::String,
    ))
}

pub(super) fn time_part(part: &str, arguments: &[Typed], ty: Type) -> Built {
    let value = zoned(arguments, 1)?;
    let seconds = Typed::of(seconds(&value), Type::Int64, &[&value]);
    let zone = Typed::text(value.ty.zone());
    Ok(Typed::call(
        "time_part",
        &[&seconds, &Typed::text(part), &zone],
        ty,
    ))
}

/// `EXTRACT(unit FROM time)` and `date_part('unit', time)`.
pub(super) fn named_part(arguments: &[Typed]) -> Built {
    let name = arguments[0]
        .literal()
        .ok_or("needs the name of a unit in quotes")?;
    let (part, ty) = match Unit::named(name) {
        Some(Unit::Year) => ("year", Type::UInt16),
        Some(Unit::Quarter) => ("quarter", Type::UInt8),
        Some(Unit::Month) => ("month", Type::UInt8),
        Some(Unit::Day) => ("day", Type::UInt8),
        Some(Unit::Hour) => ("hour", Type::UInt8),
        Some(Unit::Minute) => ("minute", Type::UInt8),
        Some(Unit::Second) => ("second", Type::UInt8),
        _ => {
            return Err(format!(
                "knows YEAR, QUARTER, MONTH, DAY, HOUR, MINUTE and SECOND, not {name}"
            ));
        }
    };
    time_part(part, &arguments[1..], ty)
}

pub(super) fn start_of_interval(arguments: &[Typed]) -> Built {
    let Type::Interval(unit) = arguments[1].ty else {
        return Err("needs an interval, such as INTERVAL '15' MINUTE".to_owned());
    };
    let count = match arguments[1].fixed() {
        Some(count) if count >= 1.0 => count as i64,
        _ => return Err("needs an interval of one or more, written in the query".to_owned()),
    };
    let mut value = vec![arguments[0].clone()];
    value.extend(arguments.get(2).cloned());
    start_of(count, unit, &value)
}

pub(super) fn start_of(count: i64, unit: Unit, arguments: &[Typed]) -> Built {
    let value = zoned(arguments, 1)?;
    let zone = Typed::text(value.ty.zone());
    if unit == Unit::Millisecond {
        let count = Typed::integer(count);
        let exact = Typed::of(milliseconds(&value), Type::Int64, &[&value]);
        let ty = Type::DateTime64(zone_of(&value.ty));
        let steps = Typed::call("floor_div", &[&exact, &count], ty.clone());
        return Ok(Typed::of(
            format!("({} * {})", steps.sql, count.sql),
            ty,
            &[&steps],
        ));
    }
    let ty = Type::DateTime(zone_of(&value.ty));
    if let (Some(step), "UTC") = (steps(count, unit), value.ty.zone()) {
        let (value, scale) = match &value.ty {
            Type::DateTime64(_) => (value, 1_000),
            _ => (Typed::of(seconds(&value), Type::Int64, &[&value]), 1),
        };
        let number = Typed::call(
            "floor_div",
            &[&value, &Typed::integer(step * scale)],
            ty.clone(),
        );
        return Ok(Typed::of(
            format!("({} * {step})", number.sql),
            ty,
            &[&number],
        ));
    }
    let count = Typed::integer(count);
    let seconds = Typed::of(seconds(&value), Type::Int64, &[&value]);
    let unit = Typed::text(&format!("{unit:?}"));
    Ok(Typed::call(
        "time_start",
        &[&seconds, &count, &unit, &zone],
        ty,
    ))
}

/// The seconds of so many units that are counted from 1970 on in UTC.
fn steps(count: i64, unit: Unit) -> Option<i64> {
    let seconds = unit.seconds().filter(|_| unit != Unit::Week)?;
    (count <= i64::from(i32::MAX)).then_some(count * seconds)
}

pub(super) fn interval(unit: Unit, arguments: &[Typed]) -> Built {
    match arguments[0].ty.integer() {
        Some(_) => Ok(Typed {
            ty: Type::Interval(unit),
            ..arguments[0].clone()
        }),
        None => Err(format!("needs an integer, not a {}", arguments[0].ty)),
    }
}
