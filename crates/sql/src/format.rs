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
            Format::JsonEachRow => json::lines(self),
            Format::TabSeparated => text::tab_separated(self),
            Format::Csv => text::csv(self),
            Format::Table => text::table(self),
        }
    }

    /// Returns the answer as the object of Cloudflare's SQL API: `data`, `rows` and `statistics`,
    /// with integers as numbers. Nothing if it has more than `most` bytes, as many rows with long
    /// names have.
    /// <https://developers.cloudflare.com/analytics/sql-api/>
    #[must_use]
    pub fn in_api(&self, most: usize) -> Option<String> {
        json::in_api(self, most)
    }
}

#[cfg(test)]
mod tests;
