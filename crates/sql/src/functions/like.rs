//! `LIKE`, with upper and lower case told apart, and `ILIKE`.

use super::scalar;
use rusqlite::{Connection, Result};

/// Code points of a pattern. The time for a match is their product with those of the text.
const PATTERN: usize = 1_000;

pub(super) fn register(connection: &Connection) -> Result<()> {
    scalar(connection, "like", 2, |a| matches(&a.text(0), &a.text(1)))?;
    scalar(connection, "ilike", 2, |a| {
        matches(&a.text(0).to_lowercase(), &a.text(1).to_lowercase())
    })
}

pub(super) fn matches(text: &str, pattern: &str) -> Result<bool, String> {
    let steps = steps(pattern);
    if steps.len() > PATTERN {
        return Err(format!(
            "a pattern of LIKE has more than {PATTERN} characters"
        ));
    }
    Ok(follows(text, &steps))
}

/// A step of a pattern.
#[derive(Clone, Copy, PartialEq)]
enum Step {
    /// `%`.
    Any,
    /// `_`.
    One,
    /// The character itself, which may have had a backslash before it.
    This(char),
}

/// Whether a text matches a pattern of `LIKE`, in which `%` stands for any text and `_` for one
/// character. A backslash makes the next character ordinary. Takes time in proportion to the
/// product of both lengths at most.
#[must_use]
pub fn is_like(text: &str, pattern: &str) -> bool {
    follows(text, &steps(pattern))
}

fn follows(text: &str, steps: &[Step]) -> bool {
    let mut place = 0;
    let mut rest = text.chars();
    // Where to go on if it does not match: behind the last `%`, one character further.
    let mut again = None;
    loop {
        let before = rest.clone();
        let next = rest.next();
        match (steps.get(place), next) {
            (Some(Step::Any), _) => {
                place += 1;
                rest = before.clone();
                again = Some((place, before));
                continue;
            }
            (Some(Step::One), Some(_)) => {
                place += 1;
                continue;
            }
            (Some(Step::This(wanted)), Some(character)) if *wanted == character => {
                place += 1;
                continue;
            }
            (None, None) => return true,
            _ => {}
        }
        let Some((behind, mut from)) = again.take() else {
            return false;
        };
        if from.next().is_none() {
            return false;
        }
        place = behind;
        rest = from.clone();
        again = Some((behind, from));
    }
}

fn steps(pattern: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        let step = match character {
            '%' => Step::Any,
            '_' => Step::One,
            '\\' => Step::This(characters.next().unwrap_or('\\')),
            other => Step::This(other),
        };
        if step != Step::Any || steps.last() != Some(&Step::Any) {
            steps.push(step);
        }
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_sql() {
        for (pattern, text, expected) in [
            ("%", "", true),
            ("", "a", false),
            ("a%c", "abbc", true),
            ("a%c", "abbd", false),
            ("a_c", "abc", true),
            ("a_c", "ac", false),
            ("%b%b%", "abcb", true),
            ("100\\%", "100%", true),
            ("100\\%", "1000", false),
            ("_", "ü", true),
            ("ABC", "abc", false),
        ] {
            assert_eq!(is_like(text, pattern), expected, "{pattern} {text}");
        }
    }
}
