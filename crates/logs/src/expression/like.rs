//! Patterns of `LIKE`.

/// Whether a text matches a pattern, in which `%` stands for any text and `_` for one character.
/// A backslash makes the next character ordinary.
pub(super) fn matches(pattern: &str, text: &str, ignore_case: bool) -> bool {
    let fold = |text: &str| match ignore_case {
        true => text.to_lowercase(),
        false => text.to_owned(),
    };
    let pattern = parts(&fold(pattern));
    let text: Vec<char> = fold(text).chars().collect();
    wildcard(&pattern, &text)
}

#[derive(PartialEq)]
enum Part {
    Any,
    One,
    Character(char),
}

fn parts(pattern: &str) -> Vec<Part> {
    let mut characters = pattern.chars();
    let mut parts = Vec::new();
    while let Some(character) = characters.next() {
        parts.push(match character {
            '%' => Part::Any,
            '_' => Part::One,
            '\\' => Part::Character(characters.next().unwrap_or('\\')),
            other => Part::Character(other),
        });
    }
    parts
}

/// Takes time in proportion to the product of both lengths at most: only the last `%` is tried
/// again.
fn wildcard(pattern: &[Part], text: &[char]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut last_any = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(Part::Any) => {
                last_any = Some((p, t));
                p += 1;
                continue;
            }
            Some(Part::One) => {
                (p, t) = (p + 1, t + 1);
                continue;
            }
            Some(Part::Character(character)) if *character == text[t] => {
                (p, t) = (p + 1, t + 1);
                continue;
            }
            _ => {}
        }
        let Some((any, matched)) = last_any else {
            return false;
        };
        last_any = Some((any, matched + 1));
        (p, t) = (any + 1, matched + 1);
    }
    pattern[p..].iter().all(|part| *part == Part::Any)
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
            assert_eq!(matches(pattern, text, false), expected, "{pattern} {text}");
        }
        assert!(matches("ÄB%", "äbc", true));
    }
}
