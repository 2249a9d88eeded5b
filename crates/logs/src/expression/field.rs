//! The fields of a row, and their values.

use crate::row::{Part, Row, event_type, status};
use crate::terms::level_name;
use std::borrow::Cow;
use std::cmp::Ordering;
use taffrail_trace::EventInfo;

/// The fields of an invocation and of what it recorded.
///
/// Any other name is that of a field of a log entry, and so is each name behind `log.`.
pub(super) const NAMES: &[&str] = &[
    "worker",
    "scriptName",
    "entrypoint",
    "outcome",
    "event",
    "status",
    "method",
    "url",
    "cpuTime",
    "wallTime",
    "peakMemory",
    "timestamp",
    "level",
    "message",
    "error",
    "invocationId",
    "requestId",
];

/// A field of a row.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Field {
    /// One of [`NAMES`].
    Own(&'static str),
    /// A header of the request, by its name in lower case.
    Header(String),
    /// A field of an object that was logged.
    Log(Vec<String>),
}

/// The value of a field.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value<'a> {
    Text(Cow<'a, str>),
    Number(f64),
    Boolean(bool),
}

impl Field {
    pub(super) fn new(mut path: Vec<String>) -> Self {
        if let [name] = path.as_slice()
            && let Some(own) = NAMES.iter().find(|own| *own == name)
        {
            return Self::Own(own);
        }
        match path.first().map(String::as_str) {
            Some("headers") if path.len() == 2 => Self::Header(path.remove(1).to_lowercase()),
            Some("log") if path.len() > 1 => Self::Log(path.split_off(1)),
            _ => Self::Log(path),
        }
    }

    pub(super) fn value<'a>(&self, row: &Row<'a>) -> Option<Value<'a>> {
        match self {
            Self::Own(name) => own(name, row),
            Self::Header(name) => {
                let headers = request(row)?.headers;
                headers.get(name).cloned().map(text)
            }
            Self::Log(path) => row.objects().find_map(|object| {
                let (first, rest) = path.split_first()?;
                let value = rest
                    .iter()
                    .try_fold(object.get(first)?, |value, key| value.get(key))?;
                json(value)
            }),
        }
    }
}

impl<'a> Value<'a> {
    /// Compares two values. If one is a number, text is read as a number. Other values of
    /// different types have no order.
    pub(super) fn compare(&self, other: &Value<'_>) -> Option<Ordering> {
        match (self, other) {
            (Self::Text(a), Value::Text(b)) => Some(a.as_ref().cmp(b.as_ref())),
            (Self::Boolean(a), Value::Boolean(b)) => Some(a.cmp(b)),
            (Self::Boolean(_), _) | (_, Value::Boolean(_)) => None,
            _ => self.number()?.partial_cmp(&other.number()?),
        }
    }

    fn number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(text) => text.trim().parse().ok(),
            Self::Boolean(_) => None,
        }
    }

    /// Returns the value as text.
    pub(super) fn text(&self) -> Cow<'_, str> {
        match self {
            Self::Text(text) => Cow::Borrowed(text),
            Self::Number(number) => Cow::Owned(number.to_string()),
            Self::Boolean(value) => Cow::Borrowed(if *value { "true" } else { "false" }),
        }
    }
}

fn own<'a>(name: &str, row: &Row<'a>) -> Option<Value<'a>> {
    let item = row.item;
    Some(match name {
        "worker" | "scriptName" => borrowed(item.script.script_name.as_deref()?),
        "entrypoint" => borrowed(item.script.entrypoint.as_deref()?),
        "outcome" => text(item.outcome.to_string()),
        "event" => borrowed(event_type(item)),
        "status" => Value::Number(status(item)?.into()),
        "method" => text(request(row)?.method),
        "url" => text(request(row)?.url),
        "cpuTime" => Value::Number(item.cpu_time.as_secs_f64() * 1000.0),
        "wallTime" => Value::Number(item.wall_time.as_secs_f64() * 1000.0),
        "peakMemory" => Value::Number(item.peak_memory as f64),
        "timestamp" => Value::Number(row.timestamp()? as f64),
        "level" => borrowed(level_name(row.level())),
        "message" => Value::Text(row.message()),
        "error" => match row.part {
            Part::Exception(error) => text(format!("{}: {}", error.name, error.message)),
            _ => return None,
        },
        "invocationId" => borrowed(&item.invocation_id),
        "requestId" => borrowed(&item.request_id),
        _ => return None,
    })
}

/// Returns the request as it is shown.
fn request(row: &Row<'_>) -> Option<taffrail_trace::RequestData> {
    match &row.item.event {
        Some(EventInfo::Fetch { request, .. }) => Some(request.redacted()),
        _ => None,
    }
}

fn borrowed(text: &str) -> Value<'_> {
    Value::Text(Cow::Borrowed(text))
}

fn text<'a>(text: String) -> Value<'a> {
    Value::Text(Cow::Owned(text))
}

/// Returns a value that is no object, no array and not null.
fn json<'a>(value: &serde_json::Value) -> Option<Value<'a>> {
    match value {
        serde_json::Value::String(string) => Some(text(string.clone())),
        serde_json::Value::Number(number) => number.as_f64().map(Value::Number),
        serde_json::Value::Bool(boolean) => Some(Value::Boolean(*boolean)),
        _ => None,
    }
}
