//! Answers as bytes.

mod json;
mod text;

use crate::execute::Answer;

pub(crate) use text::number;

/// How an answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// One object with `meta`, `data` and `rows`: `JSON`.
    Json,
    /// A line with an object for each row: `JSONEachRow`.
    JsonEachRow,
    /// A line for each row, without a head, with tabs between the values, and escapes for
    /// tabs in them: `TabSeparated`.
    TabSeparated,
    /// Comma-separated values with a head, as RFC 4180 says. No `FORMAT` names it.
    Csv,
    /// Aligned columns with a head, for a terminal. No `FORMAT` names it.
    Table,
}

impl Format {
    /// The format that `FORMAT name` means.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match name.to_ascii_lowercase().as_str() {
            "json" => Self::Json,
            "jsoneachrow" => Self::JsonEachRow,
            "tabseparated" => Self::TabSeparated,
            _ => return None,
        })
    }

    /// The media type of an answer in this format.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::JsonEachRow => "application/x-ndjson",
            Self::TabSeparated => "text/tab-separated-values; charset=utf-8",
            Self::Csv => "text/csv; charset=utf-8",
            Self::Table => "text/plain; charset=utf-8",
        }
    }
}

impl Answer {
    /// Returns the answer in a format, with a line break at the end.
    #[must_use]
    pub fn write(&self, format: Format) -> String {
        match format {
            Format::Json => json::object(self),
            Format::JsonEachRow => json::lines(self),
            Format::TabSeparated => text::tab_separated(self),
            Format::Csv => text::csv(self),
            Format::Table => text::table(self),
        }
    }
}

#[cfg(test)]
mod tests;
