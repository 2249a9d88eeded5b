//! JSON, as ClickHouse writes it.

use super::text;
use crate::execute::{Answer, Column, Value};
use crate::types::Type;
use serde_json::{Map, Number, Value as Json, json};

pub(super) fn object(answer: &Answer) -> String {
    let meta = |column: &Column| json!({ "name": column.name, "type": column.type_name() });
    let meta: Vec<Json> = answer.columns.iter().map(meta).collect();
    let data: Vec<Json> = answer
        .rows
        .iter()
        .map(|row| object_of(answer, row))
        .collect();
    let rows = data.len();
    let mut text = json!({ "meta": meta, "data": data, "rows": rows }).to_string();
    text.push('\n');
    text
}

pub(super) fn lines(answer: &Answer) -> String {
    let mut text = String::new();
    for row in &answer.rows {
        text.push_str(&object_of(answer, row).to_string());
        text.push('\n');
    }
    text
}

fn object_of(answer: &Answer, row: &[Value]) -> Json {
    let mut object = Map::new();
    for (column, value) in answer.columns.iter().zip(row) {
        object.insert(column.name.clone(), value_of(value, &column.ty));
    }
    Json::Object(object)
}

/// A value: integers of 64 bits as strings, since JavaScript cannot hold them all, and null for
/// numbers that JSON lacks.
pub(super) fn value_of(value: &Value, ty: &Type) -> Json {
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

/// A number without `.0`.
fn number(value: f64) -> Json {
    let digits = text::number(value);
    let number: Option<Number> = serde_json::from_str(&digits).ok();
    number.map_or(Json::Null, Json::Number)
}
