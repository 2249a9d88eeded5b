//! What a query has found.

use crate::types::Type;
use std::time::Duration;

/// A column of an [`Answer`].
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// The name.
    pub name: String,
    /// The type of values that are not NULL.
    pub ty: Type,
    /// Whether values may be NULL.
    pub nullable: bool,
}

/// A value of an [`Answer`], which the type of its column explains.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "they are what they are called")]
pub enum Value {
    Null,
    Integer(i64),
    Real(f64),
    Text(String),
}

/// What a query has found.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The columns.
    pub columns: Vec<Column>,
    /// The rows, with a value for each column.
    pub rows: Vec<Vec<Value>>,
    /// The format that the query asks for with `FORMAT`.
    pub format: Option<Format>,
    /// How long it took.
    pub elapsed: Duration,
}

impl Column {
    /// The name of the type.
    #[must_use]
    pub fn type_name(&self) -> String {
        match (&self.ty, self.nullable) {
            (Type::Dynamic | Type::Json | Type::Array(_), _) | (_, false) => self.ty.to_string(),
            (ty, true) => format!("Nullable({ty})"),
        }
    }

    /// A column of strings.
    pub(crate) fn of_strings(name: &str) -> Self {
        let (name, ty) = (name.to_owned(), Type::String);
        Self {
            name,
            ty,
            nullable: false,
        }
    }
}

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
