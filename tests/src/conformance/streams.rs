//! What streaming tails received: one stream for each invocation and tail, which are independent
//! of each other.

use super::observed::StreamEvent;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, HashMap};

/// The events of one invocation, as one tail received them.
#[derive(Clone, Debug)]
pub(super) struct Stream {
    /// The tail.
    pub(super) by: String,
    /// In the order of arrival.
    pub(super) events: Vec<Value>,
}

/// What a recording has in place of an event that `JSON.stringify` refused, because of a
/// `BigInt`. It says no more of it than that.
const REFUSED: &str = "$jsonErr";

/// The attributes that are `BigInt`s on workerd.
const BIG_INTS: [&str; 3] = [
    "http.request.body.size",
    "http.response.body.size",
    "http.response.status_code",
];

/// Sorts events into streams. An event that was refused belongs where a stream has a gap.
pub(super) fn sorted(events: &[StreamEvent]) -> Vec<Stream> {
    let mut streams: Vec<(Stream, Vec<usize>)> = Vec::new();
    let is_refused = |event: &&StreamEvent| event.event.get(REFUSED).is_some();
    for (position, event) in events.iter().enumerate() {
        if is_refused(&event) {
            continue;
        }
        let of_same = |(stream, _): &&mut (Stream, Vec<usize>)| {
            stream.by == event.by && stream.events[0]["invocationId"] == event.event["invocationId"]
        };
        match streams.iter_mut().find(of_same) {
            Some((stream, positions)) => {
                stream.events.push(event.event.clone());
                positions.push(position);
            }
            None => {
                let stream = Stream {
                    by: event.by.clone(),
                    events: vec![event.event.clone()],
                };
                streams.push((stream, vec![position]));
            }
        }
    }
    for (position, refused) in events.iter().enumerate() {
        if is_refused(&refused) {
            fill_gap(&mut streams, refused, position);
        }
    }
    let streams = streams.into_iter();
    streams
        .map(|(stream, _)| Stream {
            events: stream.events.iter().map(as_refused).collect(),
            ..stream
        })
        .collect()
}

/// Puts an event that was refused into the first stream that lacks one where it arrived, or in a
/// stream of its own.
fn fill_gap(streams: &mut Vec<(Stream, Vec<usize>)>, refused: &StreamEvent, position: usize) {
    for (stream, positions) in streams.iter_mut() {
        let next = positions.partition_point(|at| *at < position);
        if stream.by != refused.by || next == 0 || next == positions.len() {
            continue;
        }
        let sequence = |at: usize| stream.events[at]["sequence"].as_u64().unwrap_or_default();
        let number = sequence(next - 1) + 1;
        if number < sequence(next) {
            let filled = json!({ "sequence": number, REFUSED: true });
            stream.events.insert(next, filled);
            positions.insert(next, position);
            return;
        }
    }
    let lost = Stream {
        by: refused.by.clone(),
        events: vec![refused.event.clone()],
    };
    streams.push((lost, vec![position]));
}

/// Returns an event as a recording has it if workerd's would have been refused.
fn as_refused(event: &Value) -> Value {
    let attributes = event["event"]["info"].as_array().into_iter().flatten();
    let mut names = attributes.filter_map(|attribute| attribute["name"].as_str());
    match names.any(|name| BIG_INTS.contains(&name)) {
        true => json!({ "sequence": event["sequence"], REFUSED: true }),
        false => event.clone(),
    }
}

/// Replaces ids by numbers, in the order in which they occur, so that what refers to the same
/// thing still does.
pub(super) fn with_numbered_ids(streams: &[Stream]) -> Vec<Stream> {
    let mut known: HashMap<&'static str, Vec<String>> = HashMap::new();
    let mut number = |kind: &'static str, id: &str| {
        let known = known.entry(kind).or_default();
        let number = known.iter().position(|other| other == id);
        let number = number.unwrap_or_else(|| {
            known.push(id.to_owned());
            known.len() - 1
        });
        format!("{kind} {number}")
    };
    replaced(streams, &mut number)
}

/// Replaces all ids by the same word.
pub(super) fn without_ids(streams: &[Stream]) -> Vec<Stream> {
    replaced(streams, &mut |kind, _| kind.to_owned())
}

fn replaced(
    streams: &[Stream],
    replace: &mut impl FnMut(&'static str, &str) -> String,
) -> Vec<Stream> {
    let streams = streams.iter();
    streams
        .map(|stream| {
            let events = stream.events.iter();
            Stream {
                events: events.map(|event| with_ids(event, replace)).collect(),
                ..stream.clone()
            }
        })
        .collect()
}

fn with_ids(value: &Value, replace: &mut impl FnMut(&'static str, &str) -> String) -> Value {
    match value {
        Value::Array(values) => values
            .iter()
            .map(|value| with_ids(value, replace))
            .collect(),
        Value::Object(table) => {
            let is_reference = is_reference(table);
            // In one order on both sides, so that ids get the same numbers.
            let sorted = table.iter().collect::<BTreeMap<_, _>>().into_iter();
            let entries = sorted.map(|(key, value)| {
                let kind = match key.as_str() {
                    "traceId" => Some("trace"),
                    "spanId" => Some("span"),
                    "invocationId" => Some("invocation"),
                    "value" if is_reference => Some("span"),
                    _ => None,
                };
                let value = match (kind, value) {
                    (Some(kind), Value::String(id)) => replace(kind, id).into(),
                    (_, value) => with_ids(value, replace),
                };
                (key.clone(), value)
            });
            Value::Object(entries.collect())
        }
        other => other.clone(),
    }
}

/// Whether a table is an attribute that names a span.
fn is_reference(table: &Map<String, Value>) -> bool {
    let name = table.get("name");
    name.is_some_and(|name| name == "jsrpc.caller_span_id")
}
