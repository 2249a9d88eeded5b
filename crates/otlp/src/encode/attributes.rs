//! Attributes, and values from JSON.

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, KeyValueList};
use taffrail_trace::{Attribute, AttributeValue};

/// Returns an attribute with a value that is text, a number or a boolean.
pub(crate) fn attribute(name: impl Into<String>, value: impl Into<AttributeValue>) -> KeyValue {
    key_value(name, value_of(value.into()))
}

/// Returns the attribute of a span.
pub(crate) fn of_span(attribute: &Attribute) -> KeyValue {
    key_value(attribute.name.as_ref(), value_of(attribute.value.clone()))
}

pub(crate) fn key_value(name: impl Into<String>, value: Value) -> KeyValue {
    KeyValue {
        key: name.into(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    }
}

fn value_of(value: AttributeValue) -> Value {
    match value {
        AttributeValue::Text(text) => Value::StringValue(text),
        AttributeValue::Integer(number) => Value::IntValue(number),
        AttributeValue::Number(number) => number_value(number),
        AttributeValue::Boolean(boolean) => Value::BoolValue(boolean),
    }
}

/// JSON has no number that is not finite, so such a one is text.
fn number_value(number: f64) -> Value {
    match number.is_finite() {
        true => Value::DoubleValue(number),
        false => Value::StringValue(number.to_string()),
    }
}

/// How deep values may be nested. Decoders have limits, and one that meets its own refuses the
/// whole message.
const DEPTH: u32 = 8;

/// Returns the value of parsed JSON. `null` has none. What is nested deeper than eight levels is
/// JSON text.
pub(crate) fn of_json(json: serde_json::Value) -> Option<Value> {
    nested(json, DEPTH)
}

fn nested(json: serde_json::Value, depth: u32) -> Option<Value> {
    use serde_json::Value as Json;
    Some(match json {
        Json::Null => return None,
        Json::Bool(boolean) => Value::BoolValue(boolean),
        Json::Number(number) => match number.as_i64() {
            Some(integer) => Value::IntValue(integer),
            None => number_value(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Value::StringValue(text),
        Json::Array(_) | Json::Object(_) if depth == 0 => Value::StringValue(json.to_string()),
        Json::Array(values) => {
            let values = values.into_iter().map(|value| AnyValue {
                value: nested(value, depth - 1),
            });
            Value::ArrayValue(ArrayValue {
                values: values.collect(),
            })
        }
        Json::Object(members) => {
            let values = members
                .into_iter()
                .filter_map(|(name, value)| Some(key_value(name, nested(value, depth - 1)?)));
            Value::KvlistValue(KeyValueList {
                values: values.collect(),
            })
        }
    })
}

/// The attributes of a failure, by the semantic conventions.
pub(super) fn exception_attributes(
    name: &str,
    message: &str,
    stack: Option<&str>,
) -> Vec<KeyValue> {
    let mut attributes = vec![
        attribute("exception.type", name),
        attribute("exception.message", message),
    ];
    if let Some(stack) = stack {
        attributes.push(attribute("exception.stacktrace", stack));
    }
    attributes
}
