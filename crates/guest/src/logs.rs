//! Log entries with a level and fields.

use crate::bindings::taffrail::workers::console;
use crate::bindings::taffrail::workers::types::LogLevel;
use serde_json::{Map, Value};

/// Writes an entry with a message, and with its fields and its place in the source as an object.
pub(crate) fn write(
    level: LogLevel,
    message: String,
    mut fields: Map<String, Value>,
    target: &str,
    file: Option<&str>,
    line: Option<u32>,
) {
    let place = [
        ("target", target.into()),
        ("file", file.into()),
        ("line", line.into()),
    ];
    for (name, value) in place {
        fields.entry(name).or_insert(value);
    }
    let arguments = [Value::from(message), Value::from(fields)];
    console::log(level, &arguments.map(|argument| argument.to_string()));
}
