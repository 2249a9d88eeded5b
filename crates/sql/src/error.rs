//! Why there is no answer.

use sqlparser::tokenizer::Location;
use std::fmt;

/// Why a query has no answer: for the person who wrote it.
///
/// Its text names the mistake, and shows the line with a mark below the place, if there
/// is one.
#[derive(Clone, Debug)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    at: Option<Location>,
    excerpt: Option<String>,
}

/// Whose turn it is after an [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The query is wrong, or beyond what is supported.
    Invalid,
    /// The query needs more time, rows or memory than it may have.
    Limit,
    /// There are too many other queries at present.
    Busy,
    /// Whoever asked no longer wants to know.
    Cancelled,
    /// The data cannot be read.
    Data,
}

/// The characters of a line that are shown on either side of a mistake.
const SHOWN: usize = 60;

impl Error {
    /// The data of a query cannot be read. The kind is [`ErrorKind::Data`].
    #[must_use]
    pub fn data(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Data, message)
    }

    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            at: None,
            excerpt: None,
        }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, message)
    }

    /// A mistake at a place of the query, unless the place is not known.
    pub(crate) fn at(message: impl Into<String>, at: Location) -> Self {
        Self {
            at: (at.line > 0).then_some(at),
            ..Self::invalid(message)
        }
    }

    /// Adds the line of the query to an error at a place.
    pub(crate) fn in_text(mut self, text: &str) -> Self {
        let line = |at: Location| text.lines().nth(usize::try_from(at.line).ok()? - 1);
        if let Some(at) = self.at
            && let Some(line) = line(at)
        {
            let column = usize::try_from(at.column.max(1) - 1).unwrap_or(usize::MAX);
            let from = column.saturating_sub(SHOWN);
            let shown = line.chars().skip(from).take(2 * SHOWN);
            let shown: String = shown.map(|c| if c == '\t' { ' ' } else { c }).collect();
            let mark = column.min(from + shown.chars().count()) - from;
            self.excerpt = Some(format!("{shown}\n{}^", " ".repeat(mark)));
        }
        self
    }

    /// Whose turn it is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(at) = self.at {
            write!(f, " (line {}, column {})", at.line, at.column)?;
        }
        match &self.excerpt {
            Some(excerpt) => write!(f, "\n{excerpt}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {}

/// Says which of `names` may have been meant, to be put behind a message.
pub(crate) fn meant<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> String {
    let lower = name.to_lowercase();
    let likeness = |other: &str| strsim::damerau_levenshtein(&lower, &other.to_lowercase());
    let near = names.map(|other| (likeness(other), other)).min();
    match near {
        Some((changes, other)) if changes <= 2.max(name.len() / 3) => {
            format!("; did you mean `{other}`?")
        }
        _ => String::new(),
    }
}
