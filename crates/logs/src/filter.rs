//! Which items are searched for.

use crate::expression::Expression;
use crate::row::{Row, status};
use crate::terms::{Kind, field_term, folded, is_indexed, is_word, level_name, term, words};
use taffrail_trace::{EpochMs, LogLevel, Outcome, TraceItem};

/// What an item has to have. An empty filter matches every item.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// When the invocation started, at the earliest.
    pub since: Option<EpochMs>,
    /// When the invocation started, at the latest.
    pub until: Option<EpochMs>,
    /// Names of Workers, one of which it has.
    pub workers: Vec<String>,
    /// Outcomes, one of which it has.
    pub outcomes: Vec<Outcome>,
    /// Ranges of HTTP statuses, one of which it is in.
    pub statuses: Vec<(u16, u16)>,
    /// Levels, one of which a log or an exception has.
    pub levels: Vec<LogLevel>,
    /// Text: each of its words occurs in a log or an exception, in any order and case.
    pub search: Option<String>,
    /// The condition that it meets.
    pub expression: Option<Expression>,
    /// The id of its invocation, or of its request.
    pub id: Option<String>,
}

impl Filter {
    /// Whether an item matches.
    #[must_use]
    pub fn matches(&self, item: &TraceItem) -> bool {
        self.matches_but_for_words(item)
            && self
                .search
                .as_ref()
                .is_none_or(|text| has_words(item, text))
    }

    /// Whether an item that has all words of the [search](Self::search) matches.
    pub(crate) fn matches_but_for_words(&self, item: &TraceItem) -> bool {
        let started = item.event_timestamp.unwrap_or(0);
        let worker = item.script.script_name.as_deref().unwrap_or_default();
        let has_status = |status: u16| {
            let mut ranges = self.statuses.iter();
            ranges.any(|(from, to)| (*from..=*to).contains(&status))
        };
        let has_level = || {
            // The row of the invocation has no level of its own.
            Row::all(item)
                .skip(1)
                .any(|row| self.levels.contains(&row.level()))
        };
        self.since.is_none_or(|since| started >= since)
            && self.until.is_none_or(|until| started <= until)
            && (self.workers.is_empty() || self.workers.iter().any(|name| name == worker))
            && (self.outcomes.is_empty() || self.outcomes.contains(&item.outcome))
            && (self.statuses.is_empty() || status(item).is_some_and(has_status))
            && (self.levels.is_empty() || has_level())
            && self
                .id
                .as_ref()
                .is_none_or(|id| *id == item.invocation_id || *id == item.request_id)
            && self
                .search
                .as_ref()
                .is_none_or(|text| has_unindexed_text(item, text))
            && self
                .expression
                .as_ref()
                .is_none_or(|expression| expression.matches(item))
    }

    /// Returns a query of FTS5 that every matching item satisfies, or `None` if nothing is known
    /// about matching items.
    pub(crate) fn query(&self) -> Option<String> {
        let mut all = Vec::new();
        let statuses = self.statuses.iter().flat_map(|(from, to)| *from..=*to);
        all.extend(any(Kind::Worker, self.workers.iter()));
        all.extend(any(Kind::Outcome, self.outcomes.iter()));
        all.extend(any(Kind::Status, statuses));
        all.extend(any(
            Kind::Level,
            self.levels.iter().copied().map(level_name),
        ));
        all.extend(self.id.iter().map(|id| term(Kind::Id, id)));
        for (path, value) in self.expression.iter().flat_map(Expression::required_fields) {
            if is_indexed(&path, &value) {
                all.push(field_term(&path, &value));
            }
        }
        for word in self.search.iter().flat_map(|text| indexed_words(text)) {
            all.push(format!("\"{}\"", folded(word)));
        }
        (!all.is_empty()).then(|| all.join(" AND "))
    }

    /// Whether an item matches if it satisfies the [query](Self::query).
    pub(crate) fn is_covered(&self) -> bool {
        let has_more = |text: &String| text.split_whitespace().any(|part| !is_word(part));
        self.since.is_none()
            && self.until.is_none()
            && self.expression.is_none()
            && self
                .levels
                .iter()
                .all(|level| *level != LogLevel::Error && *level != LogLevel::Info)
            && !self.search.as_ref().is_some_and(has_more)
    }
}

/// Returns a query for any of some values, unless there are none.
fn any<T: ToString>(kind: Kind, values: impl Iterator<Item = T>) -> Option<String> {
    let terms: Vec<_> = values.map(|value| term(kind, &value.to_string())).collect();
    (!terms.is_empty()).then(|| format!("({})", terms.join(" OR ")))
}

/// Returns the words of a text that the index has if a matching item has them.
fn indexed_words(text: &str) -> impl Iterator<Item = &str> {
    let parts = text.split_whitespace();
    parts
        .filter(|part| part.is_ascii() || is_word(part))
        .flat_map(words)
}

/// Whether a log or an exception has each word.
fn has_words(item: &TraceItem, text: &str) -> bool {
    let messages: Vec<_> = Row::all(item).skip(1).map(|row| row.message()).collect();
    indexed_words(text).all(|word| {
        let word = folded(word);
        let mut found = messages.iter().flat_map(|message| words(message));
        found.any(|other| folded(other) == word)
    })
}

/// Whether a log or an exception has each part of a text that is not only a word, such as
/// `user-7` or an emoji, as it stands.
fn has_unindexed_text(item: &TraceItem, text: &str) -> bool {
    text.split_whitespace()
        .filter(|part| !is_word(part))
        .all(|part| {
            let part = part.to_lowercase();
            let mut rows = Row::all(item).skip(1);
            rows.any(|row| row.message().to_lowercase().contains(&part))
        })
}
