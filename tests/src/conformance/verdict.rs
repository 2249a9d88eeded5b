//! A recording beside what came of its Workers here.

use super::allowed::{self, Place};
use super::compare::{Difference, differences};
use super::normalise::normalise;
use super::observed::{Observed, TailCall};
use super::recording::Recording;
use super::streams::{self, Stream};
use anyhow::Result;
use serde_json::{Value, json};

/// Differences, told apart by whether they are meant.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) wrong: Vec<Difference>,
    pub(super) allowed: Vec<(String, &'static str)>,
}

/// Compares all that can be seen.
pub(super) fn compare(recording: &Recording, got: &Observed) -> Result<Findings> {
    let recorded = normalise(&recording.observed()?, recording);
    let got = normalise(got, recording);
    let mut findings = Findings::default();
    for (index, (recorded, got)) in recorded.answers.iter().zip(&got.answers).enumerate() {
        let path = format!("response_seen_by_client[{index}]");
        let place = Place::outside(recording);
        let found = differences(&path, &recorded.compared(recorded), &got.compared(recorded));
        findings.sort(found, &place);
    }
    let found = marks(&recorded, &got);
    findings.sort(found, &Place::outside(recording));
    stream_events(recording, &recorded, &got, &mut findings);
    tail_calls(
        recording,
        &recorded.tail_calls,
        &got.tail_calls,
        &mut findings,
    );
    Ok(findings)
}

impl Findings {
    fn sort(&mut self, found: Vec<Difference>, place: &Place<'_>) {
        for difference in found {
            match allowed::reason(&difference, place) {
                Some(reason) => self.allowed.push((difference.path, reason)),
                None => self.wrong.push(difference),
            }
        }
    }

    fn extend(&mut self, other: Self) {
        self.wrong.extend(other.wrong);
        self.allowed.extend(other.allowed);
    }
}

/// Marks of one invocation have an order, those of several have none.
fn marks(recorded: &Observed, got: &Observed) -> Vec<Difference> {
    let order = |seen: &Observed| {
        let mut marks = seen.marks.clone();
        if recorded.tail_calls.len() > 1 {
            marks.sort_by_key(Value::to_string);
        }
        Value::from(marks)
    };
    differences("marks", &order(recorded), &order(got))
}

/// Streams are independent of each other, so that each one recorded is compared with the one that
/// is most like it. Then ids must refer to the same streams and spans.
fn stream_events(
    recording: &Recording,
    recorded: &Observed,
    got: &Observed,
    findings: &mut Findings,
) {
    let recorded = streams::sorted(&recorded.stream_events);
    let mut left = streams::sorted(&got.stream_events);
    let (mut pairs, mut unpaired) = (Vec::new(), Vec::new());
    for stream in recorded {
        let plain = streams::without_ids(std::slice::from_ref(&stream));
        let candidates = streams::without_ids(&left).into_iter().enumerate();
        let best = candidates
            .map(|(position, other)| (one_stream("", &plain[0], &other).len(), position))
            .min();
        match best {
            Some((_, position)) => pairs.push((stream, left.remove(position))),
            None => unpaired.push(stream),
        }
    }
    let outside = Place::outside(recording);
    let (recorded, got): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
    let recorded = streams::with_numbered_ids(&recorded);
    let got = streams::with_numbered_ids(&got);
    for (index, (recorded, got)) in recorded.iter().zip(&got).enumerate() {
        let found = one_stream(&format!("stream_events[{index}]"), recorded, got);
        findings.sort(found, &outside);
    }
    let missing = unpaired.into_iter().map(|stream| Difference {
        path: format!("stream_events of `{}`", stream.by),
        recorded: Some(stream.events.into()),
        got: None,
    });
    findings.sort(missing.collect(), &outside);
    let more = left.into_iter().map(|stream| Difference {
        path: format!("stream_events of `{}`", stream.by),
        recorded: None,
        got: Some(stream.events.into()),
    });
    findings.sort(more.collect(), &outside);
}

fn one_stream(path: &str, recorded: &Stream, got: &Stream) -> Vec<Difference> {
    let value = |stream: &Stream| Value::from(stream.events.clone());
    let mut found = differences(&format!("{path}.by"), &json!(recorded.by), &json!(got.by));
    found.extend(differences(path, &value(recorded), &value(got)));
    found
}

/// Tail calls are independent of each other, so that each one recorded is
/// compared with the one that is most like it.
fn tail_calls(
    recording: &Recording,
    recorded: &[TailCall],
    got: &[TailCall],
    findings: &mut Findings,
) {
    let mut left: Vec<&TailCall> = got.iter().collect();
    let mut open: Vec<(usize, &TailCall)> = Vec::new();
    for (index, call) in recorded.iter().enumerate() {
        let exact = |other: &&TailCall| one_call(recording, index, call, other).wrong.is_empty();
        match left.iter().position(exact) {
            Some(position) => {
                findings.extend(one_call(recording, index, call, left.remove(position)));
            }
            None => open.push((index, call)),
        }
    }
    for (index, call) in open {
        let candidates = left.iter().enumerate();
        let best = candidates
            .map(|(position, other)| (one_call(recording, index, call, other), position))
            .min_by_key(|(found, _)| found.wrong.len());
        match best {
            Some((found, position)) => {
                left.remove(position);
                findings.extend(found);
            }
            None => findings.wrong.push(Difference {
                path: format!("tail_calls[{index}]"),
                recorded: Some(call.events.clone()),
                got: None,
            }),
        }
    }
    let more = left.into_iter().map(|call| Difference {
        path: format!("tail_calls of `{}`", call.worker),
        recorded: None,
        got: Some(call.events.clone()),
    });
    findings.sort(more.collect(), &Place::outside(recording));
}

/// Of what was reported, what the recording has, too.
fn known(recorded: &Value, reported: &Value) -> Value {
    let recorded = recorded.as_object().into_iter().flatten();
    recorded
        .map(|(key, _)| (key.clone(), reported[key].clone()))
        .collect()
}

fn one_call(recording: &Recording, index: usize, recorded: &TailCall, got: &TailCall) -> Findings {
    let mut findings = Findings::default();
    let outside = Place::outside(recording);
    let meta = |call: &TailCall| {
        json!({
            "tail_worker": call.worker,
            "argc": call.argc,
            "isArray": call.is_array,
            "ctxProps": call.props,
            // Recordings have not kept all of it.
            "more": known(&recorded.more, &call.more),
        })
    };
    let path = format!("tail_meta[{index}]");
    findings.sort(differences(&path, &meta(recorded), &meta(got)), &outside);
    let path = format!("tail_calls[{index}]");
    match (recorded.events.as_array(), got.events.as_array()) {
        (Some(items), Some(others)) if items.len() == others.len() => {
            for (number, (recorded, got)) in items.iter().zip(others).enumerate() {
                let found = differences(&format!("{path}[{number}]"), recorded, got);
                let place = Place {
                    recording,
                    recorded,
                    got,
                };
                findings.sort(found, &place);
            }
        }
        _ => findings.sort(differences(&path, &recorded.events, &got.events), &outside),
    }
    findings
}
