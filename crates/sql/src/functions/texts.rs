//! Functions of strings, and what shows values as strings.

use super::{Arguments, scalar};
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, Result};
use serde_json::{Map, Value as Json};
use std::fmt::Write;

/// Bytes that a string may have that a function makes. SQLite refuses longer ones anyway.
const BYTES: usize = 4 << 20;

pub(super) fn register(connection: &Connection) -> Result<()> {
    scalar(connection, "length", 1, |a| {
        Ok(a.text(0).chars().count() as i64)
    })?;
    scalar(connection, "empty", 1, |a| Ok(a.text(0).is_empty()))?;
    scalar(connection, "lower", 1, |a| {
        Ok(a.text(0).to_ascii_lowercase())
    })?;
    scalar(connection, "upper", 1, |a| {
        Ok(a.text(0).to_ascii_uppercase())
    })?;
    scalar(connection, "lower_utf8", 1, |a| {
        Ok(a.text(0).to_lowercase())
    })?;
    scalar(connection, "upper_utf8", 1, |a| {
        Ok(a.text(0).to_uppercase())
    })?;
    scalar(connection, "starts_with", 2, |a| {
        Ok(a.text(0).starts_with(&*a.text(1)))
    })?;
    scalar(connection, "ends_with", 2, |a| {
        Ok(a.text(0).ends_with(&*a.text(1)))
    })?;
    scalar(connection, "position", 2, |a| {
        Ok(position(&a.text(0), &a.text(1)))
    })?;
    scalar(connection, "substring", 2, |a| {
        Ok(substring(&a.text(0), a.integer(1)?, None))
    })?;
    scalar(connection, "substring", 3, |a| {
        Ok(substring(&a.text(0), a.integer(1)?, Some(a.integer(2)?)))
    })?;
    scalar(connection, "format", -1, format)?;
    scalar(connection, "hex", 2, |a| {
        digits(a, |text, byte| write!(text, "{byte:02X}"))
    })?;
    scalar(connection, "bin", 2, |a| {
        digits(a, |text, byte| write!(text, "{byte:08b}"))
    })?;
    scalar(connection, "json_key", 2, json_key)
}

/// Where `needle` is first in `text`, in code points from 1 on, or 0.
fn position(text: &str, needle: &str) -> i64 {
    let found = text.find(needle);
    found.map_or(0, |bytes| text[..bytes].chars().count() as i64 + 1)
}

/// Code points from a place on, which is counted from 1, or from the end if it is negative. A
/// negative length says how many are left out at the end.
fn substring(text: &str, offset: i64, length: Option<i64>) -> String {
    let all = text.chars().count() as i64;
    let from = match offset {
        1.. => offset - 1,
        0 => return String::new(),
        _ => all.saturating_add(offset).max(0),
    };
    let count = match length {
        None => all,
        Some(length @ 0..) => length,
        Some(length) => all.saturating_sub(from).saturating_add(length).max(0),
    };
    let chars = text
        .chars()
        .skip(usize::try_from(from).unwrap_or(usize::MAX));
    chars.take(usize::try_from(count).unwrap_or(0)).collect()
}

fn format(arguments: &Arguments<'_>) -> Result<String, String> {
    let pattern = arguments.text(0);
    let mut parts = pattern.split("{}");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for (index, part) in parts.enumerate() {
        text.push_str(&arguments.text(index + 1));
        text.push_str(part);
        if text.len() > BYTES {
            return Err(format!(
                "`format` makes a string of more than {BYTES} bytes"
            ));
        }
    }
    Ok(text)
}

/// The bytes of a value: of a string in their order, of an integer of so many bits from the
/// highest that is not 0, and of a float as they are in memory.
fn digits(
    arguments: &Arguments<'_>,
    write: fn(&mut String, u8) -> std::fmt::Result,
) -> Result<String, String> {
    let mut text = String::new();
    let mut all = |bytes: &[u8]| {
        for byte in bytes {
            // Writing to a string does not fail.
            _ = write(&mut text, *byte);
        }
    };
    match arguments.0[0] {
        ValueRef::Integer(value) => {
            let bits = arguments.integer(1)?.clamp(8, 64) as u32;
            let value = value.cast_unsigned() & (u64::MAX >> (64 - bits));
            let zeros = (value.leading_zeros() / 8).min(7) as usize;
            all(&value.to_be_bytes()[zeros..]);
        }
        ValueRef::Real(value) => all(&value.to_le_bytes()),
        _ => all(arguments.text(0).as_bytes()),
    }
    Ok(text)
}

/// The value of a key of a JSON object, as SQLite has such values.
fn json_key(arguments: &Arguments<'_>) -> Result<Value, String> {
    let object: Option<Map<String, Json>> = serde_json::from_str(&arguments.text(0)).ok();
    let value = object.and_then(|mut object| object.remove(&*arguments.text(1)));
    Ok(match value {
        None | Some(Json::Null) => Value::Null,
        Some(Json::Bool(value)) => Value::Integer(value.into()),
        Some(Json::String(text)) => Value::Text(text),
        Some(Json::Number(number)) => match number.as_i64() {
            Some(integer) => Value::Integer(integer),
            None => Value::Real(number.as_f64().unwrap_or(f64::NAN)),
        },
        Some(other) => Value::Text(other.to_string()),
    })
}
