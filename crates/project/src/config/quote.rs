//! Formats names for messages.

use std::fmt::Display;

/// Returns names in backquotes, separated by commas.
pub(super) fn list<T: Display>(names: impl IntoIterator<Item = T>) -> String {
    let quoted: Vec<_> = names.into_iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}
