//! JSON of JavaScript may have halves of surrogate pairs, which UTF-8 has not.

const REPLACEMENT: &str = "\\ufffd";

/// Puts the replacement character for every escaped surrogate that has no
/// other half.
pub(super) fn replace(json: &str) -> String {
    let mut replaced = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(start) = rest.find('\\') {
        replaced.push_str(&rest[..start]);
        rest = &rest[start..];
        let (escape, length) = match (unit(rest), rest.get(6..).and_then(unit)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => (&rest[..12], 12),
            (Some(0xd800..=0xdfff), _) => (REPLACEMENT, 6),
            (Some(_), _) => (&rest[..6], 6),
            (None, _) => {
                let length = rest
                    .char_indices()
                    .nth(2)
                    .map_or(rest.len(), |(end, _)| end);
                (&rest[..length], length)
            }
        };
        replaced.push_str(escape);
        rest = &rest[length..];
    }
    replaced + rest
}

/// The code unit that the text begins with as an escape.
fn unit(text: &str) -> Option<u16> {
    u16::from_str_radix(text.strip_prefix("\\u")?.get(..4)?, 16).ok()
}

#[cfg(test)]
mod tests {
    #[test]
    fn only_halves_are_replaced() {
        for (json, expected) in [
            (r#""a""#, r#""a""#),
            (
                r#""\ud83d\ude00 \ud83d \ude00""#,
                r#""\ud83d\ude00 \ufffd \ufffd""#,
            ),
            (r#""\\ud800 \u00e9 \n""#, r#""\\ud800 \u00e9 \n""#),
            (r#""\ud800\ud83d\ude00""#, r#""\ufffd\ud83d\ude00""#),
        ] {
            assert_eq!(super::replace(json), expected);
        }
    }
}
