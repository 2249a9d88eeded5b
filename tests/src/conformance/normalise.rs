//! What no two runs have in common, replaced by a word for it: ports, clocks,
//! ids, `cf`, the fields that workerd leaves hollow, and stack frames.

use super::observed::{Observed, StreamEvent, TailCall};
use super::recording::Recording;
use serde_json::{Map, Value};
use std::ops::RangeInclusive;

/// How far a clock may be from the times of a run's invocations and still be
/// taken for one: longer than any run, shorter than the distance of any other
/// time that a scenario makes up.
const CLOCK_SLACK: u64 = 600_000;

/// Normalises what was seen on one side, each with its own clock. Numbers and ids
/// that the client sent, or that stand in a source, are the scenario's own.
pub(super) fn normalise(seen: &Observed, recording: &Recording) -> Observed {
    let run = Run::of(seen, recording);
    let answers = seen.answers.iter().map(|answer| {
        let mut answer = answer.clone();
        answer.body = answer.body.as_deref().map(|body| run.text(body));
        answer.headers = answer.headers.as_ref().map(|headers| run.table(headers));
        answer
    });
    let tail_calls = seen.tail_calls.iter().map(|call| TailCall {
        props: run.value(&call.props),
        more: run.value(&call.more),
        events: run.events(&call.events),
        ..call.clone()
    });
    let stream_events = seen.stream_events.iter().map(|event| StreamEvent {
        event: run.stream_event(&event.event),
        ..event.clone()
    });
    Observed {
        answers: answers.collect(),
        tail_calls: tail_calls.collect(),
        stream_events: stream_events.collect(),
        marks: seen.marks.iter().map(|mark| run.value(mark)).collect(),
    }
}

/// What is peculiar to one run.
struct Run {
    clock: Option<RangeInclusive<u64>>,
    cfs: Vec<Value>,
    /// What the client is said to have sent, and the sources.
    own: String,
    /// Whether a Worker asks for random numbers.
    random: bool,
}

impl Run {
    fn of(seen: &Observed, recording: &Recording) -> Self {
        let sources = recording.sources.values().cloned();
        let own: String = sources.chain([recording.request.to_string()]).collect();
        let calls = seen.tail_calls.iter();
        let items: Vec<&Value> = calls
            .filter_map(|call| call.events.as_array())
            .flatten()
            .collect();
        let times = items
            .iter()
            .filter_map(|item| item["eventTimestamp"].as_u64());
        let first = times.clone().min();
        let clock = first.zip(times.max()).map(|(first, last)| {
            first.saturating_sub(CLOCK_SLACK)..=last.saturating_add(CLOCK_SLACK)
        });
        let cfs = items.iter().map(|item| &item["event"]["request"]["cf"]);
        let streamed = seen.stream_events.iter();
        let cfs = cfs.chain(streamed.map(|event| &event.event["event"]["info"]["cfJson"]));
        Self {
            clock,
            cfs: cfs.filter(|cf| cf.is_object()).cloned().collect(),
            random: own.contains("Math.random()"),
            own,
        }
    }

    fn events(&self, events: &Value) -> Value {
        match events {
            Value::Array(items) => items.iter().map(|item| self.item(item)).collect(),
            other => self.value(other),
        }
    }

    fn item(&self, item: &Value) -> Value {
        let mut item = self.value(item);
        hollow(&mut item, "scriptName", "<name>", |name| {
            name.is_null() || name.is_string()
        });
        hollow(&mut item, "cpuTime", "<ms>", Value::is_u64);
        hollow(&mut item, "wallTime", "<ms>", Value::is_u64);
        hollow(&mut item, "durableObjectId", "<id>", Value::is_string);
        // Of an alarm, the only date that is text.
        hollow(&mut item["event"], "scheduledTime", "<date>", |time| {
            time.as_str().is_some_and(|time| time.len() == DATE.len())
        });
        let consumed = item["event"]["consumedEvents"].as_array_mut();
        for event in consumed.into_iter().flatten() {
            hollow(event, "scriptName", "<name>", |name| {
                name.is_null() || name.is_string()
            });
        }
        item
    }

    /// An event of a streaming tail. Its ids are left, for what refers to them.
    fn stream_event(&self, event: &Value) -> Value {
        let is_date = |date: &Value| date.as_str().is_some_and(|date| date.len() == DATE.len());
        let mut normal = self.value(event);
        if let Some(span) = normal.get_mut("spanContext") {
            for id in ["traceId", "spanId"] {
                restore(span, &event["spanContext"], id);
            }
        }
        restore(&mut normal, event, "invocationId");
        hollow(&mut normal, "timestamp", "<date>", is_date);
        let Some(Value::Object(inner)) = normal.get_mut("event") else {
            return normal;
        };
        inner.remove("scriptName");
        let mut info = inner.remove("info");
        if let Some(info) = &mut info {
            hollow(info, "scheduledTime", "<date>", is_date);
        }
        for attribute in info.iter_mut().filter_map(Value::as_array_mut).flatten() {
            hollow(attribute, "value", "<date>", is_date);
        }
        inner.extend(info.map(|info| ("info".to_owned(), info)));
        if let Some(inner) = normal.get_mut("event") {
            hollow(inner, "cpuTime", "<ms>", Value::is_u64);
            hollow(inner, "wallTime", "<ms>", Value::is_u64);
        }
        normal
    }

    /// Any value, wherever it stands.
    fn value(&self, value: &Value) -> Value {
        match value {
            value if self.cfs.contains(value) => "<cf>".into(),
            Value::Number(number) => match number.as_f64() {
                Some(number) if self.is_clock(number) => "<clock>".into(),
                Some(number) if self.random && number.fract() != 0.0 && number < 1.0 => {
                    "<random>".into()
                }
                _ => value.clone(),
            },
            Value::String(text) => self.text(text).into(),
            Value::Array(values) => values.iter().map(|value| self.value(value)).collect(),
            Value::Object(table) => self.table(table).into(),
            other => other.clone(),
        }
    }

    fn table(&self, table: &Map<String, Value>) -> Map<String, Value> {
        let entries = table.iter();
        entries
            .map(|(key, value)| (key.clone(), self.value(value)))
            .collect()
    }

    fn text(&self, text: &str) -> String {
        // `cf` as a Worker logs or answers it.
        if text.starts_with('{')
            && let Ok(value) = serde_json::from_str::<Value>(text)
            && self.cfs.contains(&value)
        {
            return "<cf>".to_owned();
        }
        let text = without_frames(&without_ports(text));
        let text = replaced(&text, is_hex, |run| {
            (is_id(run) && !self.own.contains(run)).then_some("<id>")
        });
        replaced(
            &text,
            |c| c.is_ascii_digit(),
            |digits| {
                let number = digits.parse::<u64>().ok()?;
                let is_clock = digits.len() == 13 && self.is_clock(number as f64);
                (is_clock && !self.own.contains(digits)).then_some("<clock>")
            },
        )
    }

    fn is_clock(&self, number: f64) -> bool {
        let clock = self.clock.as_ref();
        clock.is_some_and(|clock| (*clock.start() as f64..=*clock.end() as f64).contains(&number))
    }
}

/// What a date as text looks like.
const DATE: &str = "2026-11-21T00:00:00.000Z";

/// Replaces a field that is as it should be.
fn hollow(table: &mut Value, key: &str, word: &str, is_right: impl Fn(&Value) -> bool) {
    if let Some(value) = table.get_mut(key)
        && is_right(value)
    {
        *value = word.into();
    }
}

/// Puts back what was normalised.
fn restore(normal: &mut Value, original: &Value, key: &str) {
    if let Some(value) = original.get(key) {
        normal[key] = value.clone();
    }
}

/// The text without the ports of this machine.
fn without_ports(text: &str) -> String {
    let mut result = text.to_owned();
    for host in ["127.0.0.1:", "localhost:", "[::1]:"] {
        let mut parts = result.split(host);
        let mut replaced = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let rest = part.trim_start_matches(|c: char| c.is_ascii_digit());
            replaced += host;
            if rest.len() < part.len() {
                replaced += "<port>";
            }
            replaced += rest;
        }
        result = replaced;
    }
    result
}

fn is_hex(character: char) -> bool {
    character.is_ascii_hexdigit() || character == '-'
}

/// Whether a run of hexadecimal digits is an id: of an object, of a trace or
/// invocation, or a UUID.
fn is_id(run: &str) -> bool {
    let parts: Vec<usize> = run.split('-').map(str::len).collect();
    matches!(parts[..], [64] | [32] | [8, 4, 4, 4, 12])
}

/// The text with some of its longest runs of certain characters replaced.
fn replaced(
    text: &str,
    belongs: fn(char) -> bool,
    replace: impl Fn(&str) -> Option<&'static str>,
) -> String {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(belongs) {
        let (before, from) = rest.split_at(start);
        let end = from.find(|c| !belongs(c)).unwrap_or(from.len());
        let (run, after) = from.split_at(end);
        result += before;
        result += replace(run).unwrap_or(run);
        rest = after;
    }
    result + rest
}

/// The text with each series of stack frames of an engine replaced. Frames are
/// the engine's if they have a line and a column, or a name for native code;
/// others have been made up by the scenario.
fn without_frames(text: &str) -> String {
    if !text.split('\n').any(is_frame) {
        return text.to_owned();
    }
    let mut lines: Vec<&str> = Vec::new();
    for line in text.split('\n') {
        let line = if is_frame(line) { "<frames>" } else { line };
        if line != "<frames>" || lines.last() != Some(&line) {
            lines.push(line);
        }
    }
    lines.join("\n")
}

fn is_frame(line: &str) -> bool {
    let Some(place) = line.trim_start().strip_prefix("at ") else {
        return false;
    };
    let place = place.trim_end_matches(')');
    let mut parts = place.rsplit(':');
    let mut number = || parts.next().is_some_and(|part| part.parse::<u32>().is_ok());
    let located = number() && number();
    located
        || ["<anonymous>", "(index", "native code"]
            .iter()
            .any(|mark| place.contains(mark))
}
