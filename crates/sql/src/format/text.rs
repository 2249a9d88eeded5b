//! Values as text, and the formats that are made of it.

use crate::answer::{Answer, Value};
use crate::functions::{number, time};
use crate::types::Type;
use serde_json::Value as Json;
use std::fmt::Write;

/// A value as text, without escapes.
pub(crate) fn of(value: &Value, ty: &Type) -> String {
    match (value, ty) {
        (Value::Null, _) => "NULL".to_owned(),
        (Value::Integer(value), Type::Bool) => (*value != 0).to_string(),
        (Value::Integer(value), Type::UInt64) => value.cast_unsigned().to_string(),
        (Value::Integer(value), Type::Date) => time::date(*value),
        (Value::Integer(value), Type::DateTime(_)) => time::second(*value, ty.zone()),
        (Value::Integer(value), Type::DateTime64(_)) => time::millisecond(*value, ty.zone()),
        (Value::Text(text), Type::Array(of)) => array(text, of),
        (Value::Integer(value), _) => value.to_string(),
        (Value::Real(value), _) => number(*value),
        (Value::Text(text), _) => text.clone(),
    }
}

/// The values in the JSON text of an array.
pub(super) fn items(text: &str) -> Vec<Value> {
    let items: Vec<Json> = serde_json::from_str(text).unwrap_or_default();
    let value = |item| match item {
        Json::String(text) => Value::Text(text),
        Json::Number(number) => match number.as_i64() {
            Some(integer) => Value::Integer(integer),
            None => number.as_f64().map_or(Value::Null, Value::Real),
        },
        _ => Value::Null,
    };
    items.into_iter().map(value).collect()
}

/// An array as ClickHouse writes it: `['a','b']`.
fn array(text: &str, of: &Type) -> String {
    let item = |item: &Value| match (item, of) {
        (Value::Text(_), _) | (_, Type::Date | Type::DateTime(_) | Type::DateTime64(_)) => {
            let text = self::of(item, of);
            format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
        }
        _ => self::of(item, of),
    };
    let items: Vec<_> = items(text).iter().map(item).collect();
    format!("[{}]", items.join(","))
}

pub(super) fn tab_separated(answer: &Answer) -> String {
    let escaped = |value: &Value, ty: &Type| match value {
        Value::Null => "\\N".to_owned(),
        value => of(value, ty)
            .replace('\\', "\\\\")
            .replace('\t', "\\t")
            .replace('\n', "\\n")
            .replace('\r', "\\r")
            .replace('\0', "\\0"),
    };
    let mut text = String::new();
    for row in &answer.rows {
        let columns = row.iter().zip(&answer.columns);
        let values: Vec<_> = columns
            .map(|(value, column)| escaped(value, &column.ty))
            .collect();
        text.push_str(&values.join("\t"));
        text.push('\n');
    }
    text
}

pub(super) fn csv(answer: &Answer) -> String {
    let mut csv = csv::Writer::from_writer(Vec::new());
    let names = answer.columns.iter().map(|column| column.name.as_str());
    // Writing to memory does not fail, and all rows have the same columns.
    _ = csv.write_record(names);
    for row in &answer.rows {
        let columns = row.iter().zip(&answer.columns);
        let values = columns.map(|(value, column)| match value {
            Value::Null => String::new(),
            value => of(value, &column.ty),
        });
        _ = csv.write_record(values);
    }
    let bytes = csv.into_inner().unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

pub(super) fn table(answer: &Answer) -> String {
    let head = answer.columns.iter().map(|column| shown(&column.name));
    let mut lines = vec![head.collect::<Vec<_>>()];
    lines.extend(answer.rows.iter().map(|row| {
        let columns = row.iter().zip(&answer.columns);
        let cells = columns.map(|(value, column)| shown(&of(value, &column.ty)));
        cells.collect()
    }));
    let width = |index: usize| {
        let cells = lines
            .iter()
            .map(|line: &Vec<String>| line[index].chars().count());
        cells.max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..answer.columns.len()).map(width).collect();
    let mut text = String::new();
    for line in &lines {
        let mut row = String::new();
        for ((cell, width), column) in line.iter().zip(&widths).zip(&answer.columns) {
            // Writing to a string does not fail.
            _ = match column.ty.is_number() {
                true => write!(row, "{cell:>width$}  "),
                false => write!(row, "{cell:width$}  "),
            };
        }
        text.push_str(row.trim_end());
        text.push('\n');
    }
    text
}

/// A cell of one line. Characters that control a terminal are shown as escapes, since cells
/// come from strangers.
fn shown(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' => shown.push_str("\\n"),
            '\t' => shown.push_str("\\t"),
            '\r' => shown.push_str("\\r"),
            _ if character.is_control() => shown.extend(character.escape_unicode()),
            _ => shown.push(character),
        }
    }
    shown
}
