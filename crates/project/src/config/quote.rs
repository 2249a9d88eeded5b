//! Names as messages show them.

use std::fmt::Display;

/// Names in backquotes, separated by commas.
pub(super) fn list<T: Display>(names: impl IntoIterator<Item = T>) -> String {
    let quoted: Vec<_> = names.into_iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}
