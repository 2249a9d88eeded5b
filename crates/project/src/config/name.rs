//! The names of Workers.

/// Whether a name follows Wrangler's rule.
pub(crate) fn is_name(name: &str) -> bool {
    let allowed = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '_' | '-');
    !name.is_empty() && name.chars().all(allowed) && !name.starts_with('-')
}
