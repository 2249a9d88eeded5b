//! What of a request a Tail Worker may see without asking for the rest.
//!
//! The rules are workerd's, byte for byte, false positives included: a Tail
//! Worker that was written for them finds the same text here.

use std::borrow::Cow;

/// What is shown instead of a secret.
pub(crate) const REDACTED: &str = "REDACTED";

/// Header names that carry credentials.
const SENSITIVE_NAMES: [&str; 2] = ["cookie", "set-cookie"];

/// Words that make every header name they occur in sensitive.
const SENSITIVE_WORDS: [&str; 5] = ["auth", "jwt", "key", "secret", "token"];

/// The fewest hexadecimal digits of an id: those of a UUID.
const MIN_HEX_DIGITS: usize = 32;

/// The shortest span that may be a base64 id.
const MIN_BASE64_LENGTH: usize = 21;

/// The fewest digits, upper-case and lower-case letters of a base64 id each.
const MIN_BASE64_VARIETY: usize = 2;

/// Whether the value of a header is redacted, judged by its name in any case.
///
/// True for `cookie` and `set-cookie`, and for every name that contains `auth`,
/// `jwt`, `key`, `secret` or `token`; hence for `monkey` too, but not for
/// `x-cookie` or `x-password`.
#[must_use]
pub fn is_sensitive_header(name: &str) -> bool {
    SENSITIVE_NAMES
        .iter()
        .any(|sensitive| name.eq_ignore_ascii_case(sensitive))
        || SENSITIVE_WORDS
            .iter()
            .any(|word| contains_ignore_ascii_case(name, word))
}

fn contains_ignore_ascii_case(text: &str, word: &str) -> bool {
    text.as_bytes()
        .windows(word.len())
        .any(|window| window.eq_ignore_ascii_case(word.as_bytes()))
}

/// The URL with everything that looks like an id or a card number replaced by
/// `REDACTED`; borrowed when nothing was.
///
/// The URL is not parsed: it is cut into spans of letters, digits, `+`, `-` and
/// `_`, wherever they are, the host and the names of parameters included, and
/// percent escapes as they stand. A span is replaced when it is
///
/// - at least 32 hexadecimal digits and otherwise only `+`, `-` and `_`, or
/// - 21 characters or longer, with two digits, two upper-case and two lower-case
///   letters, as base64 would have, or
/// - 13 to 19 digits whose Luhn check digit is right, and otherwise only `+`,
///   `-` and `_`.
#[must_use]
pub fn redact_url(url: &str) -> Cow<'_, str> {
    let mut redacted = String::new();
    let mut copied = 0;
    let mut start = 0;
    for span_and_end in url.split_inclusive(ends_span) {
        let span = span_and_end.trim_end_matches(ends_span);
        if looks_secret(span) {
            redacted.push_str(&url[copied..start]);
            redacted.push_str(REDACTED);
            copied = start + span.len();
        }
        start += span_and_end.len();
    }
    if copied == 0 {
        return Cow::Borrowed(url);
    }
    redacted.push_str(&url[copied..]);
    Cow::Owned(redacted)
}

fn ends_span(character: char) -> bool {
    !(character.is_ascii_alphanumeric() || is_separator(character))
}

/// Whether a character may group the digits of an id without being one of them.
fn is_separator(character: char) -> bool {
    matches!(character, '+' | '-' | '_')
}

fn looks_secret(span: &str) -> bool {
    is_hex_id(span) || is_probably_base64_id(span) || is_card_number(span)
}

fn is_hex_id(span: &str) -> bool {
    let hex_digits = count(span, |c| c.is_ascii_hexdigit());
    hex_digits >= MIN_HEX_DIGITS && hex_digits + count(span, is_separator) == span.len()
}

fn is_probably_base64_id(span: &str) -> bool {
    span.len() >= MIN_BASE64_LENGTH
        && count(span, |c| c.is_ascii_digit()) >= MIN_BASE64_VARIETY
        && count(span, |c| c.is_ascii_uppercase()) >= MIN_BASE64_VARIETY
        && count(span, |c| c.is_ascii_lowercase()) >= MIN_BASE64_VARIETY
}

fn is_card_number(span: &str) -> bool {
    let digits = count(span, |c| c.is_ascii_digit());
    (13..=19).contains(&digits)
        && digits + count(span, is_separator) == span.len()
        && luhn_sum(span).is_multiple_of(10)
}

/// The sum of the digits from the right, every second one doubled.
fn luhn_sum(span: &str) -> u32 {
    let digits = span.chars().rev().filter_map(|c| c.to_digit(10));
    digits
        .zip([false, true].into_iter().cycle())
        .map(|(digit, doubled)| match (doubled, digit) {
            (false, _) => digit,
            (true, 0..=4) => digit * 2,
            (true, _) => digit * 2 - 9,
        })
        .sum()
}

fn count(span: &str, matches: impl Fn(char) -> bool) -> usize {
    span.chars().filter(|&character| matches(character)).count()
}

#[cfg(test)]
mod tests;
