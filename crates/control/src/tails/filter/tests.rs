use super::*;
use serde_json::{Value, json};
use taffrail_trace::{End, Script, ScriptVersion, TailRequest, TraceBuilder, TraceException};

fn item(id: &str) -> TraceItem {
    let cf = serde_json::from_value(json!({ "clientIp": "127.0.0.1:5000" })).unwrap();
    let headers = [("X-Key", "a:b"), ("authorization", "Bearer me")];
    let request = RequestData::new("GET", "http://localhost/", headers, Some(cf));
    let event = EventInfo::Fetch {
        request: TailRequest::new(request),
        response: None,
    };
    let script = Script {
        script_version: Some(ScriptVersion {
            id: Some("v1".to_owned()),
            ..ScriptVersion::default()
        }),
        ..Script::default()
    };
    let mut trace = TraceBuilder::new(script, event, 1, id.to_owned());
    let argument = |json: &Value| serde_json::value::to_raw_value(json).unwrap();
    let arguments = vec![argument(&json!("say \"hi\"")), argument(&json!({ "n": 7 }))];
    trace.log(1, LogLevel::Warn, arguments, None);
    trace.finish(End {
        outcome: Outcome::Exception,
        ..End::default()
    })
}

fn matches(filter: Value, item: &TraceItem) -> bool {
    serde_json::from_value::<Filter>(filter)
        .unwrap()
        .matches(item)
}

#[test]
fn a_filter_says_which_items_pass() {
    let item = item("id");
    for (filter, passes) in [
        (json!({ "outcome": ["ok", "exception"] }), true),
        (json!({ "outcome": ["ok"] }), false),
        (json!({ "method": ["post", "get"] }), true),
        (json!({ "method": ["POST"] }), false),
        (json!({ "header": { "key": "x-KEY" } }), true),
        (
            json!({ "header": { "key": "x-key", "query": "a:b" } }),
            true,
        ),
        (json!({ "header": { "key": "x-key", "query": "a" } }), false),
        (
            json!({ "header": { "key": "Authorization", "query": "Bearer me" } }),
            true,
        ),
        (
            json!({ "header": { "key": "authorization", "query": "REDACTED" } }),
            false,
        ),
        (json!({ "header": { "key": "x-other" } }), false),
        (json!({ "client_ip": ["192.0.2.1", "self"] }), true),
        (json!({ "client_ip": ["127.0.0.1"] }), true),
        (json!({ "client_ip": ["::ffff:127.0.0.1"] }), true),
        (json!({ "client_ip": ["192.0.2.1"] }), false),
        (json!({ "query": "say \"hi" }), true),
        (json!({ "query": "\"n\":7" }), true),
        (json!({ "query": "localhost" }), false),
        (json!({ "scriptVersion": "v1" }), true),
        (json!({ "scriptVersion": "v2" }), false),
        (json!({ "level": ["log"] }), false),
        (json!({ "level": ["log", "warn"] }), true),
        (json!({ "level": ["error"] }), false),
        (json!({ "where": "outcome = 'exception' and n = 7" }), true),
        (json!({ "where": "outcome = 'exception'" }), true),
        (json!({ "where": "outcome = 'ok'" }), false),
        (json!({ "sampling_rate": 1 }), true),
        (json!({ "sampling_rate": 0 }), false),
    ] {
        assert_eq!(matches(filter.clone(), &item), passes, "{filter}");
    }
}

#[test]
fn an_exception_is_an_error() {
    let mut item = item("id");
    item.exceptions.push(TraceException {
        timestamp: 1,
        name: "Error".to_owned(),
        message: String::new(),
        stack: None,
    });
    assert!(matches(json!({ "level": ["error"] }), &item));
}

#[test]
fn an_event_that_is_no_request_has_no_method_header_or_client() {
    let trace = TraceBuilder::new(Script::default(), EventInfo::Custom {}, 1, "id".into());
    let item = trace.finish(End::default());
    assert!(!matches(json!({ "method": ["GET"] }), &item));
    assert!(!matches(json!({ "header": { "key": "a" } }), &item));
    assert!(!matches(json!({ "client_ip": ["self"] }), &item));
}

#[test]
fn an_invalid_filter_is_refused_with_a_reason() {
    for (filter, reason) in [
        (json!({ "sampling_rate": 1.5 }), "between 0 and 1"),
        (json!({ "sampling_rate": -1 }), "between 0 and 1"),
        (
            json!({ "outcome": ["good"] }),
            "unknown variant `good`, expected one of `unknown`, `ok`",
        ),
        (
            json!({ "client_ip": ["here"] }),
            "`here` is neither an IP address nor `self`",
        ),
        (
            json!({ "where": "outcome = " }),
            "column 11: expected an expression",
        ),
        (
            json!({ "color": "red" }),
            "unknown variant `color`, expected one of `sampling_rate`",
        ),
    ] {
        let error = serde_json::from_value::<Filter>(filter).unwrap_err();
        assert!(error.to_string().contains(reason), "{error}");
    }
}
