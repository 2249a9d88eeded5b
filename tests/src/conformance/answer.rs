//! What a client was answered, in each form that recordings have it.

use serde_json::{Map, Value, json};

/// Headers that belong to the connection, not to the response.
const OF_THE_CONNECTION: [&str; 5] = [
    "connection",
    "content-length",
    "date",
    "keep-alive",
    "transfer-encoding",
];

/// An answer, as far as it is known.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Answer {
    /// The Workers did not even start.
    pub(super) startup_failed: bool,
    /// The path that the request had.
    pub(super) path: Option<String>,
    /// The `host` that the request had.
    pub(super) host: Option<String>,
    pub(super) status: Option<u64>,
    pub(super) headers: Option<Map<String, Value>>,
    pub(super) body: Option<String>,
    /// Whether the body broke off.
    pub(super) broken: Option<bool>,
    /// When the request was sent, in milliseconds since the epoch.
    pub(super) started: Option<u64>,
    /// When the answer was complete.
    pub(super) ended: Option<u64>,
}

/// Reads the answers of a recording; none if it has them in no known form.
pub(super) fn read(value: &Value) -> Option<Vec<Answer>> {
    match value {
        Value::Array(answers) => answers.iter().map(one).collect(),
        Value::Object(table) if !is_whole(table) => table.iter().map(status_by_path).collect(),
        value => Some(vec![one(value)?]),
    }
}

fn is_whole(table: &Map<String, Value>) -> bool {
    table.contains_key("status") || table.contains_key("startup_failed")
}

fn one(value: &Value) -> Option<Answer> {
    match value {
        Value::Number(status) => Some(Answer {
            status: Some(status.as_u64()?),
            ..Answer::default()
        }),
        Value::String(body) => Some(Answer {
            body: Some(body.clone()),
            ..Answer::default()
        }),
        Value::Array(parts) => listed(parts),
        Value::Object(table) if is_whole(table) => Some(whole(table)),
        _ => None,
    }
}

/// `[path, status, body]` or `[host, answer]`.
fn listed(parts: &[Value]) -> Option<Answer> {
    match parts {
        [path, status, body] => Some(Answer {
            path: Some(path.as_str()?.to_owned()),
            status: Some(status.as_u64()?),
            body: Some(body.as_str()?.to_owned()),
            ..Answer::default()
        }),
        [host, answer] => Some(Answer {
            host: Some(host.as_str()?.to_owned()),
            ..one(answer)?
        }),
        _ => None,
    }
}

fn status_by_path((path, status): (&String, &Value)) -> Option<Answer> {
    Some(Answer {
        path: Some(format!("/{path}")),
        status: Some(status.as_u64()?),
        ..Answer::default()
    })
}

fn whole(table: &Map<String, Value>) -> Answer {
    let time = |key: &str| table.get(key).and_then(Value::as_u64);
    let text = |key: &str| table.get(key).and_then(Value::as_str).map(str::to_owned);
    let status = time("status");
    Answer {
        startup_failed: table.get("startup_failed") == Some(&Value::Bool(true)),
        status,
        headers: table.get("headers").and_then(Value::as_object).cloned(),
        body: text("body"),
        broken: status.map(|_| table.contains_key("error")),
        started: time("t_start"),
        ended: time("t_end"),
        ..Answer::default()
    }
}

impl Answer {
    /// What is compared of this one: of what `recorded` knows.
    pub(super) fn compared(&self, recorded: &Self) -> Value {
        let mut table = Map::new();
        let mut put = |key: &str, known: bool, value: Value| {
            if known {
                table.insert(key.to_owned(), value);
            }
        };
        put(
            "startup_failed",
            recorded.startup_failed || self.startup_failed,
            json!(self.startup_failed),
        );
        put("status", recorded.status.is_some(), json!(self.status));
        put("body", recorded.body.is_some(), json!(self.body));
        put("broken", recorded.broken.is_some(), json!(self.broken));
        let headers = self.headers.clone().unwrap_or_default();
        let headers: Map<String, Value> = headers
            .into_iter()
            .filter(|(name, _)| !OF_THE_CONNECTION.contains(&name.as_str()))
            .collect();
        put("headers", recorded.headers.is_some(), headers.into());
        Value::Object(table)
    }
}
