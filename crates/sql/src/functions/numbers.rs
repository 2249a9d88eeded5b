//! Functions of numbers.

use super::{Arguments, scalar};
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, Result};

pub(super) fn register(connection: &Connection) -> Result<()> {
    // By 0 the quotient is infinite, or none.
    scalar(connection, "divide", 2, |a| Ok(a.number(0)? / a.number(1)?))?;
    scalar(connection, "modulo", 2, modulo)?;
    scalar(connection, "int_div", 2, int_div)?;
    scalar(connection, "floor_div", 2, floor_div)?;
    scalar(connection, "log", 1, |a| Ok(a.number(0)?.ln()))?;
    scalar(connection, "pow", 2, |a| {
        Ok(a.number(0)?.powf(a.number(1)?))
    })?;
    scalar(connection, "round", 2, |a| rounded(a, f64::round_ties_even))?;
    scalar(connection, "floor", 2, |a| rounded(a, f64::floor))?;
    scalar(connection, "ceil", 2, |a| rounded(a, f64::ceil))?;
    scalar(connection, "unsigned", 2, unsigned)
}

const BY_ZERO: &str = "division by zero";

fn modulo(arguments: &Arguments<'_>) -> Result<Value, String> {
    Ok(match arguments.are_integers() {
        Some((_, 0)) => return Err(BY_ZERO.to_owned()),
        Some((left, right)) => Value::Integer(left.wrapping_rem(right)),
        None => Value::Real(arguments.number(0)? % arguments.number(1)?),
    })
}

fn int_div(arguments: &Arguments<'_>) -> Result<i64, String> {
    match arguments.are_integers() {
        Some((_, 0)) => Err(BY_ZERO.to_owned()),
        Some((left, right)) => Ok(left.wrapping_div(right)),
        None if arguments.number(1)? == 0.0 => Err(BY_ZERO.to_owned()),
        None => Ok((arguments.number(0)? / arguments.number(1)?) as i64),
    }
}

/// The quotient, rounded down.
fn floor_div(arguments: &Arguments<'_>) -> Result<i64, String> {
    let right = arguments.integer(1)?.max(1);
    Ok(match arguments.0[0] {
        ValueRef::Real(value) => value.floor() as i64,
        _ => arguments.integer(0)?,
    }
    .div_euclid(right))
}

/// A number to so many decimal places, which may be negative.
fn rounded(arguments: &Arguments<'_>, round: fn(f64) -> f64) -> Result<Value, String> {
    let places = arguments.integer(1)?.clamp(-308, 308) as i32;
    if let (ValueRef::Integer(value), 0..) = (arguments.0[0], places) {
        return Ok(Value::Integer(value));
    }
    let value = arguments.number(0)?;
    // 3.14 * 10 is exact enough, 3.14 / 0.1 is not.
    let scale = 10_f64.powi(places.abs());
    let scaled = match places {
        0.. => round(value * scale) / scale,
        _ => round(value / scale) * scale,
    };
    let result = if scaled.is_finite() { scaled } else { value };
    Ok(match arguments.0[0] {
        ValueRef::Integer(_) => Value::Integer(result as i64),
        _ => Value::Real(result),
    })
}

/// The lowest bits of a number, without its fraction, or of the number that a string is.
fn unsigned(arguments: &Arguments<'_>) -> Result<i64, String> {
    let value = match arguments.0[0] {
        ValueRef::Text(_) => {
            let text = arguments.text(0);
            let number: Option<f64> = text.trim().parse().ok();
            text.trim()
                .parse()
                .ok()
                .or(number.map(|number| number as i64))
        }
        _ => Some(arguments.integer(0)?),
    };
    let mask = (1_i64 << arguments.integer(1)?.clamp(1, 62)) - 1;
    value
        .map(|value| value & mask)
        .ok_or_else(|| arguments.no_number(0))
}

/// A number in as few digits as tell it from others.
pub(crate) fn number(value: f64) -> String {
    let size = value.abs();
    match value {
        _ if value.is_nan() => "nan".to_owned(),
        _ if value.is_infinite() => if value > 0.0 { "inf" } else { "-inf" }.to_owned(),
        _ if size != 0.0 && !(1e-6..1e21).contains(&size) => format!("{value:e}"),
        _ => value.to_string(),
    }
}
