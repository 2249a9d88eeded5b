use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// A request that went through the redaction of workerd 1.20261117.1, and what
/// came out.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct RecordedRow {
    url: String,
    redacted_url: String,
    headers: BTreeMap<String, String>,
    redacted_headers: BTreeMap<String, String>,
}

#[test]
fn agrees_with_workerd_on_every_recorded_request() {
    let rows: Vec<RecordedRow> = include_str!("../../testdata/redaction.jsonl")
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(rows.len(), 3000);
    for row in rows {
        assert_eq!(redact_url(&row.url), row.redacted_url, "{}", row.url);
        for (name, recorded) in &row.redacted_headers {
            let raw = &row.headers[name];
            let shown = if is_sensitive_header(name) {
                REDACTED
            } else {
                raw
            };
            assert_eq!(shown, recorded, "{name}: {raw}");
        }
        assert_eq!(row.headers.len(), row.redacted_headers.len());
    }
}

#[track_caller]
fn check_url(url: &str, expected: &str) {
    assert_eq!(redact_url(url), expected, "{url}");
}

#[test]
fn hexadecimal_ids_have_at_least_32_digits_and_nothing_but_separators_besides() {
    check_url(
        "/0123456789abcdef0123456789abcde",
        "/0123456789abcdef0123456789abcde",
    );
    check_url("/0123456789abcdef0123456789abcdef", "/REDACTED");
    check_url("/0123456789abcdef0123456789abcdef0", "/REDACTED");
    check_url("/0123456789abcdef0123456789ABCDEF", "/REDACTED");
    check_url("/550e8400-e29b-41d4-a716-446655440000", "/REDACTED");
    check_url("/550E8400_E29B_41D4_A716_446655440000", "/REDACTED");
    check_url("/550e8400+e29b+41d4+a716+446655440000", "/REDACTED");
    check_url(
        "/550e8400.e29b.41d4.a716.446655440000",
        "/550e8400.e29b.41d4.a716.446655440000",
    );
    check_url(
        "/0123456789abcdef0123456789abcdefg",
        "/0123456789abcdef0123456789abcdefg",
    );
    check_url(
        "/x0123456789abcdef0123456789abcdef",
        "/x0123456789abcdef0123456789abcdef",
    );
    check_url(
        "/1111111111111111111111111111111-----",
        "/1111111111111111111111111111111-----",
    );
    check_url(
        "/----------------------------------------",
        "/----------------------------------------",
    );
}

#[test]
fn base64_ids_have_21_characters_and_two_of_each_kind() {
    check_url("/01234567890123456azAZ", "/REDACTED");
    check_url("/0123456789012345azAZ", "/0123456789012345azAZ");
    check_url("/012345678901234567zAZ", "/012345678901234567zAZ");
    check_url("/012345678901234567azZ", "/012345678901234567azZ");
    check_url("/IThinkIShallNeverSee0", "/IThinkIShallNeverSee0");
    check_url("/IThinkIShallNeverSee01", "/REDACTED");
    check_url("/aaBB11---------------", "/REDACTED");
    check_url("/aaBB11--------------", "/aaBB11--------------");
    check_url(
        "/eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jRFqbRR6",
        "/REDACTED.REDACTED.dozjgNryP4J3jRFqbRR6",
    );
}

#[test]
fn card_numbers_have_13_to_19_digits_and_a_right_check_digit() {
    check_url("/p?n=4111111111111111", "/p?n=REDACTED");
    check_url("/p?n=4111111111111112", "/p?n=4111111111111112");
    check_url("/p?n=4111-1111+1111_1111", "/p?n=REDACTED");
    check_url("/p?n=x4111111111111111", "/p?n=x4111111111111111");
    check_url("/p?n=4222222222222", "/p?n=REDACTED");
    check_url("/p?n=0000000000000", "/p?n=REDACTED");
    check_url("/p?n=000000000000", "/p?n=000000000000");
    check_url("/p?n=0000000000000000000", "/p?n=REDACTED");
    check_url("/p?n=40000000000000000002", "/p?n=40000000000000000002");
    check_url("/p?ts=1700000000000", "/p?ts=1700000000000");
}

#[test]
fn spans_are_found_in_the_whole_url_and_escapes_are_not_decoded() {
    check_url(
        "http://0123456789abcdef0123456789abcdef.example.com/x",
        "http://REDACTED.example.com/x",
    );
    check_url(
        "/p?a=1&id=0123456789abcdef0123456789abcdef&b=2",
        "/p?a=1&id=REDACTED&b=2",
    );
    check_url("/p?0123456789abcdef0123456789abcdef=v", "/p?REDACTED=v");
    check_url("/0123456789abcdef0123456789abcdef.json", "/REDACTED.json");
    check_url("/p?t=01234567890123456azAZ==", "/p?t=REDACTED==");
    check_url("/p?q=%200123456789abcdef0123456789abcd", "/p?q=%REDACTED");
    check_url(
        "/p?q=0123456789abcdef%2D0123456789abcdef",
        "/p?q=0123456789abcdef%2D0123456789abcdef",
    );
    check_url("/é0123456789abcdef0123456789abcdefé", "/éREDACTEDé");
    check_url("http://user:pw@host/", "http://user:pw@host/");
    check_url("", "");
}

#[test]
fn header_names_are_matched_by_substring_in_any_case() {
    let sensitive = [
        "authorization",
        "Authorization",
        "proxy-authorization",
        "www-authenticate",
        "x-author",
        "cf-access-jwt-assertion",
        "X-API-KEY",
        "monkey",
        "x-keyboard",
        "x-secret-thing",
        "my-token",
        "cookie",
        "Set-Cookie",
    ];
    for name in sensitive {
        assert!(is_sensitive_header(name), "{name}");
    }
    let harmless = [
        "accept",
        "cookie2",
        "x-cookie",
        "keep-alive",
        "x-credential",
        "x-password",
        "x-session",
        "x-tokn",
        "",
    ];
    for name in harmless {
        assert!(!is_sensitive_header(name), "{name}");
    }
}

/// Text in which spans of every kind and at every limit are frequent.
fn urls() -> impl Strategy<Value = String> {
    let span = prop_oneof![
        "[0-9a-fA-F]{30,34}",
        "[0-9a-f_+-]{36,40}",
        "[0-9A-Za-z_-]{19,23}",
        "[0-9]{12,20}",
        "[a-z]{0,8}",
    ];
    let delimiter = prop_oneof!["[/?&=.:~%@,;'()*\\[\\]#]", "\\PC"];
    proptest::collection::vec((span, delimiter), 0..8)
        .prop_map(|parts| parts.into_iter().map(|(span, end)| span + &end).collect())
}

fn delimiters(url: &str) -> String {
    url.chars().filter(|&c| ends_span(c)).collect()
}

proptest! {
    #[test]
    fn redacting_twice_changes_nothing_more(url in urls()) {
        let once = redact_url(&url);
        prop_assert_eq!(redact_url(&once), once.as_ref());
    }

    #[test]
    fn no_hexadecimal_id_is_left(url in urls()) {
        let redacted = redact_url(&url);
        for part in redacted.split(|c: char| !c.is_ascii_alphanumeric() && !"+-_".contains(c)) {
            let digits = part.replace(['+', '-', '_'], "");
            let is_id = digits.len() >= 32 && digits.chars().all(|c| c.is_ascii_hexdigit());
            prop_assert!(!is_id, "{part} in {redacted}");
        }
    }

    #[test]
    fn everything_between_spans_is_kept(url in urls()) {
        let redacted = redact_url(&url);
        prop_assert_eq!(delimiters(&url), delimiters(&redacted));
        let spans = url.split(ends_span).zip(redacted.split(ends_span));
        for (span, shown) in spans {
            prop_assert!(shown == span || shown == REDACTED, "{span} became {shown}");
        }
    }

    #[test]
    fn nothing_is_allocated_when_nothing_is_redacted(url in urls()) {
        let redacted = redact_url(&url);
        prop_assert_eq!(matches!(redacted, Cow::Borrowed(_)), redacted == url);
    }
}
