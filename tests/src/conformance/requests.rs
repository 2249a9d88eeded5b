//! What the client sent.
//!
//! Recordings hardly say it. They do say what the Workers received, so the
//! requests are made from the items of those, and from what Workers echoed
//! where an item is redacted.

use super::answer::Answer;
use super::recording::Recording;
use anyhow::{Context, Result};
use serde_json::Value;
use std::time::Duration;

/// One request of a scenario's client.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Request {
    pub(super) method: String,
    /// Path and query.
    pub(super) target: String,
    /// `host` is among them only if it is not that of the server.
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    /// The requests, by index, whose answers the client awaited before.
    pub(super) after: Vec<usize>,
    /// The tail calls that had arrived before.
    pub(super) after_calls: usize,
    /// How long the client then did nothing.
    pub(super) pause: Duration,
}

/// The requests of a recording's client, in order.
pub(super) fn of(recording: &Recording) -> Result<Vec<Request>> {
    let answers = recording
        .answers()
        .context("the recording does not say what the client was answered")?;
    let streamed = recording.streamed_requests();
    let received = match streamed.is_empty() {
        true => received(&recording.items()?),
        false => received(&streamed),
    };
    let echoes = Echoes::of(recording, &answers)?;
    let said = said(&recording.request);
    let times = Times::of(&answers, &received);
    let requests = answers.iter().enumerate().map(|(index, answer)| {
        let said = said.get(index).or(said.first());
        let item = received.get(index);
        let mut request = item.map_or_else(Request::get, |item| echoes.request(item));
        let redacted = request.target.contains(REDACTED);
        if let Some((method, target)) = said
            && (item.is_none() || redacted || recording.request.is_array())
        {
            request.method.clone_from(method);
            request.target.clone_from(target);
        }
        request.target = match &answer.path {
            Some(path) => path.clone(),
            None => echoes.unredacted(&request.target),
        };
        if let Some(host) = &answer.host {
            request.headers.retain(|(name, _)| name != "host");
            request.headers.push(("host".to_owned(), host.clone()));
        }
        request.after = times.before(index);
        request.pause = times.pause(index);
        request.after_calls = answer.started.map_or(0, |started| {
            let calls = recording.tail_meta.iter();
            let earlier = |at: Option<u64>| at.is_some_and(|at| at <= started);
            calls.filter(|call| earlier(call.received_at)).count()
        });
        request
    });
    Ok(requests.collect())
}

/// Longer pauses were those of the one who recorded.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// What stands for redacted text.
pub(super) const REDACTED: &str = "REDACTED";

impl Request {
    fn get() -> Self {
        Self {
            method: "GET".to_owned(),
            target: "/".to_owned(),
            headers: vec![("connection".to_owned(), "close".to_owned())],
            body: Vec::new(),
            after: Vec::new(),
            after_calls: 0,
            pause: Duration::ZERO,
        }
    }
}

/// The items of requests that came over the network, one a request, in the
/// order of their beginning. Such requests have a `cf` and a `host`, and it is
/// the client's port that tells one from its copies: those of a second tail,
/// and those in Workers that it was passed on to.
fn received(items: &[Value]) -> Vec<Value> {
    let mut received: Vec<Value> = Vec::new();
    let request = |item: &Value| item["event"]["request"].clone();
    for item in items {
        let from_outside =
            !request(item)["cf"].is_null() && !request(item)["headers"]["host"].is_null();
        if from_outside && !received.iter().any(|other| request(other) == request(item)) {
            received.push(item.clone());
        }
    }
    received.sort_by_key(|item| item["eventTimestamp"].as_u64());
    received
}

/// Methods and targets that the key `request` gives: `GET /path`, a path, or
/// an object, or a list of these.
fn said(request: &Value) -> Vec<(String, String)> {
    match request {
        Value::Array(requests) => requests.iter().flat_map(said).collect(),
        Value::String(text) => {
            let (method, target) = text.split_once(' ').unwrap_or(("GET", text));
            let is_target = target.starts_with('/');
            let said = is_target.then(|| (method.to_owned(), target.to_owned()));
            said.into_iter().collect()
        }
        Value::Object(request) => {
            let text = |key: &str| request.get(key).and_then(Value::as_str);
            let method = text("method").unwrap_or("GET");
            let target = text("path").or(text("url")).unwrap_or("/");
            vec![(method.to_owned(), target.to_owned())]
        }
        _ => Vec::new(),
    }
}

/// When each request began and its answer was complete, as far as known.
struct Times(Vec<Option<(u64, u64)>>);

impl Times {
    /// By the client's clock, or else by that of the Workers.
    fn of(answers: &[Answer], received: &[Value]) -> Self {
        let times = answers.iter().enumerate().map(|(index, answer)| {
            let by_client = answer.started.zip(answer.ended);
            by_client.or_else(|| {
                let item = received.get(index)?;
                let started = item["eventTimestamp"].as_u64()?;
                let logs = item["logs"].as_array()?.iter();
                let logged = logs.filter_map(|log| log["timestamp"].as_u64()).max();
                Some((started, logged.unwrap_or(started)))
            })
        });
        Self(times.collect())
    }

    /// The time between the end of the answer before and the beginning.
    fn pause(&self, index: usize) -> Duration {
        let over = self.before(index).into_iter();
        let ended = over.filter_map(|earlier| Some(self.0[earlier]?.1)).max();
        let started = self.0[index].map(|(started, _)| started);
        let pause = started.zip(ended).map(|(started, ended)| started - ended);
        Duration::from_millis(pause.unwrap_or(0)).min(LONGEST_PAUSE)
    }

    /// The requests that were over when this one began.
    fn before(&self, index: usize) -> Vec<usize> {
        let over = |earlier: &usize| match (self.0[*earlier], self.0[index]) {
            (Some((_, ended)), Some((started, _))) => ended <= started,
            _ => true,
        };
        (0..index).filter(over).collect()
    }
}

/// Everything that Workers logged or answered, in which request data may show
/// again.
struct Echoes<'a> {
    recording: &'a Recording,
    texts: Vec<String>,
    numbers: Vec<u64>,
}

impl<'a> Echoes<'a> {
    fn of(recording: &'a Recording, answers: &[Answer]) -> Result<Self> {
        let bodies = answers.iter().filter_map(|answer| answer.body.clone());
        let mut echoes = Self {
            recording,
            texts: bodies.collect(),
            numbers: Vec::new(),
        };
        for item in recording.items()? {
            for log in item["logs"].as_array().into_iter().flatten() {
                let arguments = log["message"].as_array().into_iter().flatten();
                for argument in arguments {
                    echoes.texts.extend(argument.as_str().map(str::to_owned));
                    echoes.numbers.extend(argument.as_u64());
                }
            }
        }
        Ok(echoes)
    }

    /// The request that an item is about.
    fn request(&self, item: &Value) -> Request {
        let received = &item["event"]["request"];
        let text = |key: &str| received[key].as_str().unwrap_or_default();
        let after_scheme = text("url").split_once("://").map_or("", |(_, rest)| rest);
        let target = after_scheme.find('/').map_or("/", |at| &after_scheme[at..]);
        let mut request = Request {
            method: text("method").to_owned(),
            target: target.to_owned(),
            headers: Vec::new(),
            body: self.body(received),
            ..Request::get()
        };
        for (name, value) in received["headers"].as_object().into_iter().flatten() {
            let value = value.as_str().unwrap_or_default();
            let is_own = name == "host" && value.starts_with("127.0.0.1:");
            if !is_own {
                request
                    .headers
                    .push((name.clone(), self.header(name, value)));
            }
        }
        request
    }

    /// The value that a header had: that of a list or table of headers which a
    /// Worker showed, if it is redacted.
    fn header(&self, name: &str, value: &str) -> String {
        let values = || {
            self.texts
                .iter()
                .filter_map(|text| serde_json::from_str(text).ok())
        };
        let shown = || values().find_map(|value| header_in(&value, name));
        let shown = (value == REDACTED).then(shown).flatten();
        shown.unwrap_or_else(|| value.to_owned())
    }

    /// The target that is shown redacted: one that fits and that a Worker
    /// showed, or else one that will be redacted in the same way.
    fn unredacted(&self, target: &str) -> String {
        if !target.contains(REDACTED) {
            return target.to_owned();
        }
        let shown = self.texts.iter().find_map(|text| {
            let after_scheme = text
                .split_once("://")
                .map_or(text.as_str(), |(_, rest)| rest);
            let shown = &after_scheme[after_scheme.find('/')?..];
            fits(shown, target).then(|| shown.to_owned())
        });
        shown.unwrap_or_else(|| target.replace(REDACTED, "0123456789abcdef0123456789abcdef"))
    }

    /// A body of the length that the headers or a log tell, and with the text
    /// that a Worker showed, if it can be made out.
    fn body(&self, received: &Value) -> Vec<u8> {
        let headers = &received["headers"];
        let length = headers["content-length"].as_str();
        let length = length.and_then(|length| length.parse::<u64>().ok());
        if length.is_none() && headers["transfer-encoding"].is_null() {
            return Vec::new();
        }
        let shown = self.texts.iter().find(|text| {
            length.is_none_or(|length| length == text.len() as u64) && self.is_from_outside(text)
        });
        let counted = || {
            let is_from_outside = |number: &&u64| !self.is_in_source(&number.to_string());
            self.numbers.iter().find(is_from_outside).copied()
        };
        match shown {
            Some(text) => text.clone().into_bytes(),
            None => vec![b'x'; length.or_else(counted).unwrap_or(1) as usize],
        }
    }

    /// Whether a text can have come with a request's body: no Worker has it in
    /// its source, nor is it the URL, the method or `cf`.
    fn is_from_outside(&self, text: &str) -> bool {
        let is_method = text.chars().all(|c| c.is_ascii_uppercase());
        !self.is_in_source(text)
            && !is_method
            && !text.contains("://")
            && !text.contains("clientIp")
    }

    fn is_in_source(&self, text: &str) -> bool {
        let mut sources = self.recording.sources.values();
        sources.any(|source| source.contains(text))
    }
}

fn header_in(value: &Value, name: &str) -> Option<String> {
    match value {
        Value::Array(pair) if pair.len() == 2 && pair[0] == name => {
            pair[1].as_str().map(str::to_owned)
        }
        Value::Array(values) => values.iter().find_map(|value| header_in(value, name)),
        Value::Object(table) => match table.get(name) {
            Some(Value::String(text)) => Some(text.clone()),
            _ => table.values().find_map(|value| header_in(value, name)),
        },
        _ => None,
    }
}

/// Whether `shown` is `redacted` with something else in its redacted places.
pub(super) fn fits(shown: &str, redacted: &str) -> bool {
    let Some((before, after)) = redacted.split_once(REDACTED) else {
        return shown == redacted;
    };
    let Some(rest) = shown.strip_prefix(before) else {
        return false;
    };
    let in_span = |c: char| c.is_ascii_alphanumeric() || "+-_".contains(c);
    let end = rest.find(|c| !in_span(c)).unwrap_or(rest.len());
    end > 0 && fits(&rest[end..], after)
}
