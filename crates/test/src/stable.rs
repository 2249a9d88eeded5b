//! Trace items that are the same in every run.

use regex_lite::{Captures, Regex};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::LazyLock;
use taffrail_runtime::trace::TraceItem;

/// Trace items in JSON with stable values for what differs between runs, wherever it
/// occurs, so that they can be compared with a file.
///
/// | value | in its place |
/// |---|---|
/// | CPU time, wall time, peak memory, timestamps, scheduled times | 0 |
/// | a number of 13 digits that begins with 1: milliseconds since 1970 | 0 |
/// | a date and time as `2026-11-27T02:00:00.000Z` | `1970-01-01T00:00:00.000Z` |
/// | `12 ms` in a text | `0 ms` |
/// | the ids of spans | their number, in the order of their first occurrence |
/// | the ids of invocations, requests and Durable Objects, and random UUIDs | their number, in the order of their first occurrence |
/// | the port behind `localhost`, `127.0.0.1` or `[::1]` | 0 |
///
/// Callers come before what they called, and both before their tails; else the items
/// are sorted by Worker and entrypoint. JSON within a text is treated as JSON.
#[must_use]
pub fn stable<'a>(items: impl IntoIterator<Item = &'a TraceItem>) -> Vec<Value> {
    let mut items: Vec<_> = items.into_iter().collect();
    items.sort_by_key(|item| {
        let script = &item.script;
        (item.depth, &script.script_name, &script.entrypoint)
    });
    let values: Vec<_> = items
        .into_iter()
        .map(|item| serde_json::to_value(item).unwrap_or_default())
        .collect();
    let mut run = Run::default();
    for value in &values {
        for id in IDS.iter().filter_map(|key| value[key].as_str()) {
            run.number(id);
        }
    }
    values.into_iter().map(|item| run.value(item)).collect()
}

/// What is peculiar to one run.
#[derive(Default)]
struct Run {
    /// The ids so far, each with the text in its place.
    ids: HashMap<String, String>,
    spans: HashMap<String, String>,
}

/// Keys whose values are times and measurements.
const MEASURED: [&str; 8] = [
    "cpuTime",
    "endTime",
    "eventTimestamp",
    "peakMemory",
    "scheduledTime",
    "startTime",
    "timestamp",
    "wallTime",
];

/// Keys whose values are ids.
const IDS: [&str; 4] = [
    "durableObjectId",
    "invocationId",
    "parentInvocationId",
    "requestId",
];

/// Keys whose values are ids of spans. They have numbers of their own.
const SPAN_IDS: [&str; 2] = ["parentSpanId", "spanId"];

/// What differs between runs, in a text.
static VARIES: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = r"(?x)
        (?<uuid> \b[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\b )
        | (?<id> \b(?:[0-9a-f]{64}|[0-9a-f]{32})\b )
        | (?<date> \b[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?Z )
        | (?<host> \blocalhost | \b127\.0\.0\.1 | \[::1\] ) :[0-9]+\b
        | (?<time> \b1[0-9]{12}\b )
        | \b[0-9]+(?:\.[0-9]+)?(?<unit>\ ?ms)\b
    ";
    Regex::new(pattern).unwrap_or_else(|error| unreachable!("{error}"))
});

impl Run {
    /// What stands in the place of an id.
    fn number(&mut self, id: &str) -> String {
        let next = self.ids.len() + 1;
        self.ids
            .entry(id.to_owned())
            .or_insert_with(|| match id.len() {
                // A UUID.
                36 => format!("00000000-0000-4000-8000-{next:012}"),
                length => format!("{next:0length$}"),
            })
            .clone()
    }

    fn span_number(&mut self, id: &str) -> String {
        let next = self.spans.len() + 1;
        let number = self.spans.entry(id.to_owned());
        number.or_insert_with(|| format!("{next:016}")).clone()
    }

    fn value(&mut self, value: Value) -> Value {
        match value {
            Value::Number(number) if is_time(&number.to_string()) => 0.into(),
            Value::String(text) => self.text(&text).into(),
            Value::Array(values) => values.into_iter().map(|value| self.value(value)).collect(),
            Value::Object(entries) => entries
                .into_iter()
                .map(|(key, value)| {
                    let is_measured = MEASURED.contains(&&*key) && value.is_number();
                    let value = match value {
                        _ if is_measured => 0.into(),
                        Value::String(id) if SPAN_IDS.contains(&&*key) => {
                            self.span_number(&id).into()
                        }
                        value => self.value(value),
                    };
                    (key, value)
                })
                .collect(),
            other => other,
        }
    }

    fn text(&mut self, text: &str) -> String {
        if text.starts_with(['{', '['])
            && let Ok(value) = serde_json::from_str(text)
        {
            return self.value(value).to_string();
        }
        let replace = |found: &Captures<'_>| self.replacement(found);
        VARIES.replace_all(text, replace).into_owned()
    }

    fn replacement(&mut self, found: &Captures<'_>) -> String {
        let all = &found[0];
        if found.name("uuid").is_some() {
            self.number(all)
        } else if found.name("id").is_some() {
            // Other texts of such a length are the Worker's own.
            self.ids.get(all).map_or(all, String::as_str).to_owned()
        } else if found.name("date").is_some() {
            "1970-01-01T00:00:00.000Z".to_owned()
        } else if let Some(host) = found.name("host") {
            format!("{}:0", host.as_str())
        } else if let Some(unit) = found.name("unit") {
            format!("0{}", unit.as_str())
        } else {
            "0".to_owned()
        }
    }
}

/// Whether a number is one of milliseconds since 1970, from 2001 to 2033.
fn is_time(number: &str) -> bool {
    let digits = number.split('.').next().unwrap_or_default();
    digits.len() == 13 && digits.starts_with('1')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stable(text: &str) -> String {
        let mut run = Run::default();
        run.number("0123456789abcdef0123456789abcdef");
        run.text(text)
    }

    #[test]
    fn what_differs_between_runs_is_replaced() {
        for (text, expected) in [
            ("took 12 ms, 3.5ms", "took 0 ms, 0ms"),
            ("at 2026-11-27T02:00:00.123Z", "at 1970-01-01T00:00:00.000Z"),
            ("at 1795746249749", "at 0"),
            ("http://127.0.0.1:40123/a", "http://127.0.0.1:0/a"),
            ("http://[::1]:40123/a", "http://[::1]:0/a"),
            (
                "id 0123456789abcdef0123456789abcdef",
                "id 00000000000000000000000000000001",
            ),
            (
                "0b8f4f1e-5f4a-4f6e-9b1a-0123456789ab 0b8f4f1e-5f4a-4f6e-9b1a-0123456789ab",
                "00000000-0000-4000-8000-000000000002 00000000-0000-4000-8000-000000000002",
            ),
            (
                r#"{"cpuTime":3,"logs":[{"timestamp":5}],"n":5}"#,
                r#"{"cpuTime":0,"logs":[{"timestamp":0}],"n":5}"#,
            ),
        ] {
            assert_eq!(stable(text), expected);
        }
    }

    #[test]
    fn what_is_the_same_in_every_run_stays() {
        for text in [
            "12 messages, 5 s, 128 MiB",
            "2026-11-27",
            "http://example.com:8080/",
            "d41d8cd98f00b204e9800998ecf8427e",
            "order 12345",
            "{not JSON 1",
        ] {
            assert_eq!(stable(text), text);
        }
    }
}
