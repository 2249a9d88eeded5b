//! Header values as the engine has them: a character for each byte.

use http::HeaderValue;

/// The value as a text of its bytes.
pub(super) fn text(value: &HeaderValue) -> String {
    value.as_bytes().iter().copied().map(char::from).collect()
}

/// The value that a text stands for, if each of its characters is a byte.
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
    fn what_is_no_byte_is_no_value() {
        assert_eq!(value("\u{100}"), None);
        assert_eq!(value("a\nb"), None);
    }
}
