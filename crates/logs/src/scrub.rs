//! Removes secrets from what Workers logged.

use regex::{Regex, RegexBuilder};
use serde_json::Value;
use std::borrow::Cow;
use taffrail_trace::{AttributeValue, Json, TraceItem};

/// What replaces a match.
const REDACTED: &str = "REDACTED";

/// The most memory of one compiled pattern.
const PATTERN_BYTES: usize = 1 << 20;

/// Patterns with names, for secrets that are common.
const NAMED: &[(&str, &str)] = &[
    (
        "email",
        r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+",
    ),
    ("card", r"\b\d(?:[ -]?\d){12,18}\b"),
    ("ipv4", r"\b(?:\d{1,3}\.){3}\d{1,3}\b"),
    (
        "jwt",
        r"\beyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*",
    ),
    ("bearer", r"(?i)\bbearer\s+[A-Za-z0-9._~+/=-]+"),
];

/// Patterns whose matches are replaced by `REDACTED`.
#[derive(Clone, Debug)]
pub struct Scrub {
    patterns: Vec<Regex>,
}

impl Scrub {
    /// Compiles patterns: names of common secrets (`email`, `card`, `ipv4`, `jwt`, `bearer`), or
    /// regular expressions. Returns `None` if there are no patterns.
    ///
    /// # Errors
    ///
    /// Fails if a regular expression is invalid or needs too much memory. The message quotes it.
    pub fn new<S: AsRef<str>>(patterns: &[S]) -> Result<Option<Self>, String> {
        let compile = |pattern: &S| {
            let pattern = pattern.as_ref();
            let named = NAMED.iter().find(|(name, _)| *name == pattern);
            RegexBuilder::new(named.map_or(pattern, |(_, pattern)| pattern))
                .size_limit(PATTERN_BYTES)
                .build()
                .map_err(|error| format!("`{pattern}` is no regular expression: {error}"))
        };
        let patterns = patterns
            .iter()
            .map(compile)
            .collect::<Result<Vec<_>, _>>()?;
        Ok((!patterns.is_empty()).then_some(Self { patterns }))
    }

    /// Adds the patterns of another one.
    pub(crate) fn extend(&mut self, other: &Self) {
        for pattern in &other.patterns {
            let has = |own: &Regex| own.as_str() == pattern.as_str();
            if !self.patterns.iter().any(has) {
                self.patterns.push(pattern.clone());
            }
        }
    }

    /// Replaces all matches in a text.
    #[must_use]
    pub fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        self.patterns
            .iter()
            .fold(Cow::Borrowed(text), |text, pattern| {
                match pattern.replace_all(&text, REDACTED) {
                    Cow::Borrowed(_) => text,
                    Cow::Owned(replaced) => Cow::Owned(replaced),
                }
            })
    }

    /// Replaces all matches in the logs, the exceptions, the diagnostics and the attributes of
    /// spans of an item.
    pub(crate) fn apply(&self, item: &mut TraceItem) {
        for log in &mut item.logs {
            log.message
                .iter_mut()
                .for_each(|argument| self.json(argument));
            for error in log.error_info.iter_mut().flatten().flatten() {
                self.string(&mut error.message);
                error.stack.iter_mut().for_each(|stack| self.string(stack));
            }
        }
        for exception in &mut item.exceptions {
            self.string(&mut exception.message);
            let stack = &mut exception.stack;
            stack.iter_mut().for_each(|stack| self.string(stack));
        }
        let events = &mut item.diagnostics_channel_events;
        let messages = events.iter_mut().filter_map(|event| event.message.as_mut());
        messages.for_each(|message| self.json(message));
        let attributes = item.spans.iter_mut().flat_map(|span| &mut span.attributes);
        for attribute in attributes.chain(&mut item.span_attributes) {
            if let AttributeValue::Text(text) = &mut attribute.value {
                self.string(text);
            }
        }
    }

    fn string(&self, text: &mut String) {
        if let Cow::Owned(scrubbed) = self.text(text) {
            *text = scrubbed;
        }
    }

    fn json(&self, json: &mut Json) {
        let Ok(mut value) = serde_json::from_str::<Value>(json.get()) else {
            return;
        };
        self.value(&mut value);
        if let Ok(scrubbed) = serde_json::value::to_raw_value(&value) {
            *json = scrubbed;
        }
    }

    fn value(&self, value: &mut Value) {
        match value {
            Value::String(text) => self.string(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.value(item)),
            Value::Object(fields) => fields.values_mut().for_each(|field| self.value(field)),
            Value::Number(number) => {
                let text = number.to_string();
                if let Cow::Owned(scrubbed) = self.text(&text) {
                    *value = Value::String(scrubbed);
                }
            }
            Value::Null | Value::Bool(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_replaced_in_text_and_in_values() {
        let scrub = Scrub::new(&["email", "card", r"tok_\w+"]).unwrap().unwrap();
        assert_eq!(
            scrub.text("to ann@example.com, tok_a1"),
            "to REDACTED, REDACTED"
        );
        assert!(matches!(scrub.text("nothing here"), Cow::Borrowed(_)));
        let raw = r#"{"mail":"bob@x.org","card":4111111111111111,"n":5,"deep":["tok_x"]}"#;
        let mut json = serde_json::value::RawValue::from_string(raw.to_owned()).unwrap();
        scrub.json(&mut json);
        let value: Value = serde_json::from_str(json.get()).unwrap();
        let expected = serde_json::json!({
            "mail": "REDACTED", "card": "REDACTED", "n": 5, "deep": ["REDACTED"],
        });
        assert_eq!(value, expected);
    }

    #[test]
    fn a_pattern_that_is_none_is_refused() {
        assert!(Scrub::new::<&str>(&[]).unwrap().is_none());
        let error = Scrub::new(&["("]).unwrap_err();
        assert!(error.starts_with("`(` is no regular expression"), "{error}");
        assert!(Scrub::new(&[r"(\w{1,500}){1,500}"]).is_err());
    }
}
