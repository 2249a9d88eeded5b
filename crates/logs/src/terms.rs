//! The terms by which an item is found.
//!
//! Messages are indexed by their words. Everything else is found by the hash of a name and a
//! value, so that fields of logs need no columns of their own, however many there are.

use crate::row::{Part, Row, event_type, status};
use fnv::FnvHasher;
use serde_json::Value;
use std::borrow::Cow;
use std::fmt::Write;
use std::hash::Hasher;
use taffrail_trace::{LogLevel, TraceItem};

/// The most fields of logs that one item is found by, and the longest value.
const MAX_FIELDS: usize = 256;
const MAX_VALUE_BYTES: usize = 256;

/// How deep fields may be nested.
const MAX_DEPTH: usize = 4;

/// The text under which an item is indexed.
#[derive(Default)]
pub(crate) struct Terms {
    pub(crate) text: String,
    /// Fields of logs that are not indexed because there are too many, or because their values
    /// are too long.
    pub(crate) dropped_fields: u64,
    fields: usize,
}

/// What a hash is made of, so that equal values of different kinds differ.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Worker,
    Outcome,
    Event,
    Status,
    Level,
    Id,
    Field,
}

impl Kind {
    fn prefix(self) -> &'static str {
        match self {
            Self::Worker => "xqw",
            Self::Outcome => "xqo",
            Self::Event => "xqe",
            Self::Status => "xqs",
            Self::Level => "xql",
            Self::Id => "xqi",
            Self::Field => "xqf",
        }
    }
}

/// Returns the word that stands for a value.
pub(crate) fn term(kind: Kind, value: &str) -> String {
    format!("{}{:016x}", kind.prefix(), hash(&[value]))
}

/// Returns the word that stands for a field of a log with this value.
pub(crate) fn field_term(path: &str, value: &str) -> String {
    format!("{}{:016x}", Kind::Field.prefix(), hash(&[path, value]))
}

fn hash(parts: &[&str]) -> u64 {
    let mut hasher = FnvHasher::default();
    for part in parts {
        hasher.write(part.as_bytes());
        hasher.write_u8(0xff);
    }
    hasher.finish()
}

/// Returns the text of a field's value as it is indexed.
pub(crate) fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        // Equal numbers have equal text, however they are written.
        Value::Number(number) => number.as_f64().map(|number| number.to_string()),
        Value::Bool(value) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

impl Terms {
    /// Collects the terms of an item.
    pub(crate) fn of(item: &TraceItem) -> Self {
        let mut terms = Self::default();
        terms.add(Kind::Outcome, &item.outcome.to_string());
        terms.add(Kind::Event, event_type(item));
        terms.ids(item);
        if let Some(worker) = &item.script.script_name {
            terms.add(Kind::Worker, worker);
        }
        if let Some(status) = status(item) {
            terms.add(Kind::Status, &status.to_string());
        }
        let mut levels = Vec::new();
        for row in Row::all(item) {
            if !levels.contains(&row.level()) {
                levels.push(row.level());
            }
            if !matches!(row.part, Part::Invocation) {
                terms.words(&row.message());
            }
            for object in row.objects() {
                for (key, value) in &object {
                    terms.field(key, value, 1);
                }
            }
        }
        for level in levels {
            terms.add(Kind::Level, level_name(level));
        }
        terms
    }

    /// Collects the terms of an item whose spans are kept, and whose logs are not.
    pub(crate) fn of_spans(item: &TraceItem) -> Self {
        let mut terms = Self::default();
        terms.ids(item);
        terms
    }

    fn ids(&mut self, item: &TraceItem) {
        self.add(Kind::Id, &item.invocation_id);
        if item.request_id != item.invocation_id {
            self.add(Kind::Id, &item.request_id);
        }
    }

    fn words(&mut self, text: &str) {
        for word in words(text) {
            self.text.push(' ');
            self.text.push_str(&folded(word));
        }
    }

    fn add(&mut self, kind: Kind, value: &str) {
        let prefix = kind.prefix();
        _ = write!(self.text, " {prefix}{:016x}", hash(&[value]));
    }

    fn field(&mut self, path: &str, value: &Value, depth: usize) {
        if let Value::Object(fields) = value {
            for (key, value) in fields {
                match depth < MAX_DEPTH {
                    true => self.field(&format!("{path}.{key}"), value, depth + 1),
                    false => self.dropped_fields += 1,
                }
            }
            return;
        }
        let Some(text) = scalar(value) else {
            return;
        };
        if self.fields == MAX_FIELDS || text.len() > MAX_VALUE_BYTES {
            self.dropped_fields += 1;
            return;
        }
        self.fields += 1;
        let prefix = Kind::Field.prefix();
        _ = write!(self.text, " {prefix}{:016x}", hash(&[path, &text]));
    }
}

/// Returns the words of a text: of digits, and of letters that have upper and lower case.
///
/// Text in other scripts is not divided into words, so it is searched for in the items themselves.
pub(crate) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|character: char| !is_of_word(character))
        .filter(|word| !word.is_empty())
}

pub(crate) fn is_word(text: &str) -> bool {
    text.chars().all(is_of_word)
}

fn is_of_word(character: char) -> bool {
    if character.is_ascii() {
        return character.is_ascii_alphanumeric();
    }
    character.is_lowercase() || character.is_uppercase()
}

/// Returns a word in the form in which it is indexed.
pub(crate) fn folded(word: &str) -> Cow<'_, str> {
    if word
        .bytes()
        .any(|byte| !byte.is_ascii_lowercase() && !byte.is_ascii_digit())
    {
        Cow::Owned(word.to_lowercase())
    } else {
        Cow::Borrowed(word)
    }
}

/// Whether a field with this value would be indexed, wherever it is.
pub(crate) fn is_indexed(path: &str, value: &str) -> bool {
    path.split('.').count() <= MAX_DEPTH && value.len() <= MAX_VALUE_BYTES
}

/// Returns the name of a level.
#[must_use]
pub fn level_name(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Debug => "debug",
        LogLevel::Info => "info",
        LogLevel::Log => "log",
        LogLevel::Warn => "warn",
        LogLevel::Error => "error",
    }
}
