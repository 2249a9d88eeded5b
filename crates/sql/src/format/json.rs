//! JSON, as ClickHouse writes it.

use super::text;
use crate::answer::{Answer, Column, Value};
use crate::functions;
use crate::types::Type;
use serde_json::{Number, Value as Json};

pub(super) fn object(answer: &Answer) -> String {
    let meta = |column: &Column| {
        let (name, ty) = (string(&column.name), string(&column.type_name()));
        format!("{{\"name\":{name},\"type\":{ty}}}")
    };
    let meta: Vec<_> = answer.columns.iter().map(meta).collect();
    let data: Vec<_> = rows(answer, value_of).collect();
    let (meta, rows, data) = (meta.join(","), data.len(), data.join(","));
    format!("{{\"meta\":[{meta}],\"data\":[{data}],\"rows\":{rows}}}\n")
}

pub(super) fn in_api(answer: &Answer, most: usize) -> Option<String> {
    let mut data = String::new();
    for row in rows(answer, number_of) {
        if !data.is_empty() {
            data.push(',');
        }
        data.push_str(&row);
        if data.len() > most {
            return None;
        }
    }
    let rows = answer.rows.len();
    let ms = answer.elapsed.as_secs_f64() * 1000.0;
    // What was read is not counted.
    let statistics = format!("{{\"elapsed_ms\":{ms:.3},\"rows_read\":0,\"bytes_read\":0}}");
    let text = format!("{{\"data\":[{data}],\"rows\":{rows},\"statistics\":{statistics}}}\n");
    Some(text)
}

pub(super) fn lines(answer: &Answer) -> String {
    let mut text = String::new();
    for row in rows(answer, value_of) {
        text.push_str(&row);
        text.push('\n');
    }
    text
}

/// The rows as objects with their keys in the order of the columns.
fn rows(answer: &Answer, value_of: fn(&Value, &Type) -> Json) -> impl Iterator<Item = String> {
    let names: Vec<_> = answer
        .columns
        .iter()
        .map(|column| string(&column.name))
        .collect();
    answer.rows.iter().map(move |row| {
        let cells = names.iter().zip(&answer.columns).zip(row);
        let cells =
            cells.map(|((name, column), value)| format!("{name}:{}", value_of(value, &column.ty)));
        format!("{{{}}}", cells.collect::<Vec<_>>().join(","))
    })
}

fn string(text: &str) -> String {
    Json::from(text).to_string()
}

/// A value: integers of 64 bits as strings, since JavaScript cannot hold them all, and null for
/// numbers that JSON lacks.
fn value_of(value: &Value, ty: &Type) -> Json {
    match (value, ty) {
        (Value::Null, _) => Json::Null,
        (Value::Integer(value), Type::Bool) => Json::Bool(*value != 0),
        (Value::Text(text), Type::Array(items)) => text::items(text)
            .iter()
            .map(|item| value_of(item, items))
            .collect(),
        (Value::Text(text), Type::Json) => {
            serde_json::from_str(text).unwrap_or_else(|_| Json::String(text.clone()))
        }
        (Value::Integer(value), Type::UInt8 | Type::UInt16 | Type::UInt32)
        | (Value::Integer(value), Type::Int8 | Type::Int16 | Type::Int32 | Type::Dynamic) => {
            Json::from(*value)
        }
        (Value::Integer(value), Type::Float64) => Json::from(*value),
        (Value::Real(value), Type::Float64 | Type::Dynamic) => number(*value),
        (value, ty) => Json::String(text::of(value, ty)),
    }
}

/// A value, with integers of 64 bits as numbers.
fn number_of(value: &Value, ty: &Type) -> Json {
    match (value, ty) {
        (Value::Integer(value), Type::Int64) => Json::from(*value),
        (Value::Integer(value), Type::UInt64) => Json::from(value.cast_unsigned()),
        (value, ty) => value_of(value, ty),
    }
}

/// A number without `.0`.
fn number(value: f64) -> Json {
    let digits = functions::number(value);
    let number: Option<Number> = serde_json::from_str(&digits).ok();
    number.map_or(Json::Null, Json::Number)
}
