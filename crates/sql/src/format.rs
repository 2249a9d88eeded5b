//! Answers as bytes.

mod json;
mod text;

use crate::answer::{Answer, Format};

impl Answer {
    /// Returns the answer in a format, with a line break at the end.
    #[must_use]
    pub fn write(&self, format: Format) -> String {
        match format {
            Format::Json => json::object(self),
            Format::Api => json::result(self),
            Format::JsonEachRow => json::lines(self),
            Format::TabSeparated => text::tab_separated(self),
            Format::Csv => text::csv(self),
            Format::Table => text::table(self),
        }
    }
}

#[cfg(test)]
mod tests;
