//! The rows of an item, as people search them.

use serde_json::Value;
use std::borrow::Cow;
use std::fmt::Write;
use taffrail_trace::{EventInfo, LogLevel, TraceException, TraceItem, TraceLog};

/// A row of an item, as people search it.
pub struct Row<'a> {
    pub(crate) item: &'a TraceItem,
    /// The part of the item that it shows.
    pub part: Part<'a>,
}

/// The invocation itself, or something that it recorded.
pub enum Part<'a> {
    /// The invocation.
    Invocation,
    /// A console call.
    Log(&'a TraceLog),
    /// An exception.
    Exception(&'a TraceException),
}

impl<'a> Row<'a> {
    /// Returns all rows of an item: its invocation, its logs and its exceptions.
    pub fn all(item: &'a TraceItem) -> impl Iterator<Item = Self> {
        let logs = item.logs.iter().map(Part::Log);
        let exceptions = item.exceptions.iter().map(Part::Exception);
        std::iter::once(Part::Invocation)
            .chain(logs)
            .chain(exceptions)
            .map(move |part| Self { item, part })
    }

    /// Returns the text of the row: the arguments of a console call separated by blanks, the
    /// name and the message of an exception, or the trigger of the invocation.
    #[must_use]
    pub fn message(&self) -> Cow<'a, str> {
        match self.part {
            Part::Invocation => Cow::Owned(trigger(self.item)),
            Part::Log(log) => log_message(log),
            Part::Exception(error) => Cow::Owned(format!("{}: {}", error.name, error.message)),
        }
    }

    /// Returns the level: that of a console call, and `error` for an exception. An invocation has
    /// `info`, or `error` if it has failed.
    #[must_use]
    pub fn level(&self) -> LogLevel {
        match self.part {
            Part::Invocation if is_failure(self.item) => LogLevel::Error,
            Part::Invocation => LogLevel::Info,
            Part::Log(log) => log.level,
            Part::Exception(_) => LogLevel::Error,
        }
    }

    /// Returns when it was recorded, or when the invocation started.
    #[must_use]
    pub fn timestamp(&self) -> Option<u64> {
        match self.part {
            Part::Invocation => self.item.event_timestamp,
            Part::Log(log) => Some(log.timestamp),
            Part::Exception(error) => Some(error.timestamp),
        }
    }

    /// Returns the objects that a console call logged: arguments that are objects, or text that
    /// is an object in JSON.
    pub(crate) fn objects(&self) -> impl Iterator<Item = serde_json::Map<String, Value>> + use<'a> {
        let arguments = match self.part {
            Part::Log(log) => log.message.as_slice(),
            _ => &[],
        };
        arguments
            .iter()
            .filter_map(|argument| object(argument.get()))
    }
}

/// Whether an invocation failed: its outcome is not `ok`, or its response has a status of 500 or
/// above.
#[must_use]
pub fn is_failure(item: &TraceItem) -> bool {
    item.outcome != taffrail_trace::Outcome::Ok || status(item).is_some_and(|status| status >= 500)
}

/// Returns the HTTP status of the response, if there is one.
#[must_use]
pub fn status(item: &TraceItem) -> Option<u16> {
    match &item.event {
        Some(EventInfo::Fetch { response, .. }) => response.map(|response| response.status),
        _ => None,
    }
}

/// Returns the kind of an event by the name that it has in Workers Logs.
#[must_use]
pub fn event_type(item: &TraceItem) -> &'static str {
    match &item.event {
        Some(EventInfo::Fetch { .. }) => "fetch",
        Some(EventInfo::Rpc { .. }) => "jsrpc",
        Some(EventInfo::Scheduled { .. }) => "scheduled",
        Some(EventInfo::Alarm { .. }) => "alarm",
        Some(EventInfo::Queue { .. }) => "queue",
        Some(EventInfo::Email { .. }) => "email",
        Some(EventInfo::Tail { .. }) => "tail",
        Some(EventInfo::HibernatableWebSocket { .. }) => "websocket",
        Some(EventInfo::Connect {}) => "connect",
        Some(EventInfo::Custom {}) | None => "unknown",
    }
}

/// Returns the text of an invocation in Workers Logs, by its event: method and URL, cron
/// expression, time, queue, recipient, method, or type of the event.
/// <https://developers.cloudflare.com/workers/observability/logs/workers-logs/>
fn trigger(item: &TraceItem) -> String {
    match &item.event {
        Some(EventInfo::Fetch { request, .. }) => {
            let request = request.redacted();
            format!("{} {}", request.method, request.url)
        }
        Some(EventInfo::Rpc { rpc_method }) => rpc_method.clone(),
        Some(EventInfo::Scheduled { cron, .. }) => cron.clone(),
        Some(EventInfo::Alarm { scheduled_time }) => scheduled_time.to_string(),
        Some(EventInfo::Queue { queue, .. }) => queue.clone(),
        Some(EventInfo::Email { rcpt_to, .. }) => rcpt_to.clone(),
        _ => event_type(item).to_owned(),
    }
}

fn log_message(log: &TraceLog) -> Cow<'_, str> {
    let mut text = String::new();
    for (index, argument) in log.message.iter().enumerate() {
        if index > 0 {
            text.push(' ');
        }
        let json = argument.get();
        match serde_json::from_str::<Cow<'_, str>>(json) {
            Ok(string) if log.message.len() == 1 => return string,
            Ok(string) => text.push_str(&string),
            Err(_) => _ = write!(text, "{json}"),
        }
    }
    Cow::Owned(text)
}

fn object(json: &str) -> Option<serde_json::Map<String, Value>> {
    match json.as_bytes().first()? {
        b'{' => serde_json::from_str(json).ok(),
        b'"' => {
            let text: Cow<'_, str> = serde_json::from_str(json).ok()?;
            let text = text.trim();
            text.starts_with('{')
                .then(|| serde_json::from_str(text).ok())?
        }
        _ => None,
    }
}
