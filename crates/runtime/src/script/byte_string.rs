//! Header values as the engine represents them, with one character for each byte.

use http::HeaderValue;

/// Returns the text that represents a value.
pub(super) fn text(value: &HeaderValue) -> String {
    value.as_bytes().iter().copied().map(char::from).collect()
}

/// Returns the value that a text represents, if each of its characters is a byte.
pub(super) fn value(text: &str) -> Option<HeaderValue> {
    let bytes: Option<Vec<u8>> = text
        .chars()
        .map(|character| u8::try_from(character).ok())
        .collect();
    HeaderValue::from_bytes(&bytes?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_of_any_bytes_comes_back_as_it_was() {
        let bytes: Vec<u8> = (0x20..=0xff).filter(|byte| *byte != 0x7f).collect();
        let given = HeaderValue::from_bytes(&bytes).unwrap();
        assert_eq!(value(&text(&given)), Some(given));
    }

    #[test]
    fn a_text_with_other_characters_is_not_a_value() {
        assert_eq!(value("\u{100}"), None);
        assert_eq!(value("a\nb"), None);
    }
}
