use super::*;
use proptest::prelude::*;
use serde_json::json;

fn item() -> TraceItem {
    serde_json::from_value(json!({
        "wallTime": 25, "cpuTime": 12, "truncated": false, "scriptName": "api",
        "executionModel": "stateless", "outcome": "exception", "diagnosticsChannelEvents": [],
        "exceptions": [{"timestamp": 7, "name": "TypeError", "message": "boom"}],
        "logs": [
            {"timestamp": 5, "level": "log", "message": ["hello", {"user": "a", "n": 5, "deep": {"er": true}}]},
            {"timestamp": 6, "level": "warn", "message": ["{\"workerId\":\"w-1\",\"level\":\"loud\"}"]},
        ],
        "eventTimestamp": 4,
        "event": {
            "request": {"url": "http://h/p", "method": "GET", "headers": {"x-a": "1:2"}},
            "response": {"status": 500},
        },
        "invocationId": "11", "requestId": "22",
    }))
    .unwrap()
}

#[track_caller]
fn matches(text: &str) -> bool {
    match text.parse::<Expression>() {
        Ok(expression) => expression.matches(&item()),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn fields_of_invocations_and_of_logs_are_compared() {
    for (text, expected) in [
        (r#"user = "a""#, true),
        ("user = 'b'", false),
        (r#"user = "a" and cpuTime > 10"#, true),
        (r#"user = "a" and cpuTime > 12"#, false),
        ("10 < cpuTime", true),
        ("n = 5 and n = '5' and n >= 4.5 and n < 6", true),
        ("n = -5", false),
        ("deep.er", true),
        ("not deep.er", false),
        ("workerId = 'w-1'", true),
        // Both are about the same row.
        ("user = 'a' and workerId = 'w-1'", false),
        ("user = 'a' or workerId = 'x'", true),
        ("level = 'warn'", true),
        ("level = 'loud'", false),
        ("log.level = 'loud'", true),
        ("level = 'error' and message like '%boom'", true),
        ("error = 'TypeError: boom'", true),
        ("message ilike 'HELLO%'", true),
        ("message like 'HELLO%'", false),
        ("message not like 'x%' and status = 500", true),
        ("outcome in ('ok', 'exception')", true),
        ("outcome not in ('ok', 'exception')", false),
        ("wallTime between 20 and 30", true),
        ("wallTime not between 20 and 30", false),
        ("headers.`x-a` = '1:2'", true),
        ("headers.`x-b` is null and method = 'GET'", true),
        (
            "url = 'http://h/p' and worker = 'api' and scriptName = 'api'",
            true,
        ),
        // What is absent is neither equal nor unequal.
        ("absent = 1", false),
        ("absent != 1", false),
        ("not absent = 1", false),
        ("absent is null", true),
        ("requestId = '22' and invocationId = \"11\"", true),
    ] {
        assert_eq!(matches(text), expected, "{text}");
    }
}

#[test]
fn case_is_ignored_in_every_script() {
    let mut item = item();
    item.exceptions[0].name = "äbc".to_owned();
    let matches = |text: &str| text.parse::<Expression>().unwrap().matches(&item);
    assert!(matches("error ilike 'ÄB%'"));
    assert!(!matches("error like 'ÄB%'"));
}

#[test]
fn mistakes_have_a_column_and_a_caret() {
    let error = |text: &str| text.parse::<Expression>().unwrap_err();
    for (text, column, message) in [
        ("user = ", 8, "expected an expression, found the end"),
        ("user = \"a", 8, "unterminated"),
        (
            "user = a",
            8,
            "expected text, a number, true or false, found `a`; text is in quotes",
        ),
        ("(user = 'a'", 12, "expected ), found the end"),
        (
            "user = 'a' user",
            12,
            "expected `and`, `or` or the end, found `user`",
        ),
        ("1 = 1", 5, "expected the name of a field, found `1`"),
        (
            "count(x) > 1",
            1,
            "expected the name of a field, found `count(x)`",
        ),
        ("cpuTime + 1 > 2", 1, "expected the name of a field"),
    ] {
        let error = error(text);
        assert!(error.message.starts_with(message), "{text}: {error}");
        assert_eq!(error.column, column, "{text}: {error}");
    }
    assert_eq!(
        error("user = ").to_string(),
        "column 8: expected an expression, found the end\n  user = \n         ^"
    );
    assert!(
        error(&"(".repeat(5000))
            .message
            .contains("nested too deeply")
    );
    assert!(error(&"a = 1 and ".repeat(5000)).message.contains("10 KiB"));
}

#[test]
fn what_every_match_has_is_known() {
    let fields = |text: &str| text.parse::<Expression>().unwrap().required_fields();
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    assert_eq!(
        fields("user = 'a' and (n = 5 and cpuTime > 1) and log.level = 'loud'"),
        [pair("user", "a"), pair("n", "5"), pair("level", "loud")]
    );
    assert_eq!(fields("user = 'a' or n = 5"), []);
    assert_eq!(fields("not user = 'a'"), []);
}

proptest! {
    #[test]
    fn no_text_panics(text in "[ a-z0-9=<>!'\"`().,üif-]{0,60}") {
        if let Ok(expression) = text.parse::<Expression>() {
            _ = expression.matches(&item());
        }
    }
}
