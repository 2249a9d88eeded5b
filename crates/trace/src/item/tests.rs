use super::*;
use crate::builder::{End, TraceBuilder};
use crate::request::RequestData;
use serde_json::value::to_raw_value;
use serde_json::{Value, json};

const INVOCATION_ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

fn item_of(event: EventInfo) -> TraceItem {
    TraceBuilder::new(
        Script::default(),
        event,
        1_795_219_451_677,
        INVOCATION_ID.to_owned(),
    )
    .finish(End {
        outcome: Outcome::Ok,
        ..End::default()
    })
}

fn json_of(value: impl Serialize) -> Value {
    serde_json::to_value(value).unwrap()
}

fn hello_request() -> TailRequest {
    TailRequest::new(RequestData::new(
        "GET",
        "http://127.0.0.1:45649/",
        [("Host", "127.0.0.1:45649"), ("Connection", "close")],
        Some(to_raw_value(&json!({ "clientIp": "127.0.0.1:58090" })).unwrap()),
    ))
}

#[test]
fn a_plain_item_has_exactly_the_keys_of_workerd_and_its_invocation_id() {
    let item = item_of(EventInfo::Fetch {
        request: hello_request(),
        response: Some(TailResponse { status: 200 }),
    });
    let expected = json!({
        "wallTime": 0,
        "cpuTime": 0,
        "truncated": false,
        "executionModel": "stateless",
        "outcome": "ok",
        "scriptName": null,
        "diagnosticsChannelEvents": [],
        "exceptions": [],
        "logs": [],
        "eventTimestamp": 1_795_219_451_677_u64,
        "event": {
            "request": {
                "url": "http://127.0.0.1:45649/",
                "method": "GET",
                "headers": { "connection": "close", "host": "127.0.0.1:45649" },
                "cf": { "clientIp": "127.0.0.1:58090" }
            },
            "response": { "status": 200 }
        },
        "invocationId": INVOCATION_ID,
        "requestId": INVOCATION_ID
    });
    assert_eq!(json_of(item), expected);
}

#[test]
fn what_is_known_of_the_script_is_part_of_the_item() {
    let script = Script {
        script_name: Some("counter".to_owned()),
        entrypoint: Some("Obj".to_owned()),
        script_version: Some(ScriptVersion {
            id: Some("7f3a".to_owned()),
            tag: Some("v2".to_owned()),
            message: None,
        }),
        script_tags: vec!["blue".to_owned()],
        dispatch_namespace: Some("customers".to_owned()),
        tail_attributes: BTreeMap::from([
            ("plan".to_owned(), AttributeValue::Text("free".to_owned())),
            ("ratio".to_owned(), AttributeValue::Number(0.5)),
            ("seats".to_owned(), AttributeValue::Number(3.0)),
            ("trial".to_owned(), AttributeValue::Boolean(true)),
        ]),
        preview: Some(Preview {
            id: "1".to_owned(),
            slug: "s".to_owned(),
            name: "n".to_owned(),
        }),
        durable_object_id: Some("e4".repeat(32)),
        execution_model: ExecutionModel::DurableObject,
    };
    let event = EventInfo::Connect {};
    let item = TraceBuilder::new(script, event, 1, INVOCATION_ID.to_owned()).finish(End {
        outcome: Outcome::Ok,
        cpu_time: Duration::from_micros(1_999),
        wall_time: Duration::from_millis(12),
        peak_memory: 65_536,
        exceeded_limit: Some(ExceededLimit {
            key: "limits.subrequests".to_owned(),
            value: 50,
        }),
    });
    let expected = json!({
        "wallTime": 12,
        "cpuTime": 1,
        "truncated": false,
        "scriptName": "counter",
        "entrypoint": "Obj",
        "scriptVersion": { "id": "7f3a", "tag": "v2" },
        "scriptTags": ["blue"],
        "dispatchNamespace": "customers",
        "tailAttributes": { "plan": "free", "ratio": 0.5, "seats": 3, "trial": true },
        "preview": { "id": "1", "slug": "s", "name": "n" },
        "durableObjectId": "e4".repeat(32),
        "executionModel": "durableObject",
        "peakMemory": 65_536,
        "exceededLimit": { "key": "limits.subrequests", "value": 50 },
        "outcome": "ok",
        "diagnosticsChannelEvents": [],
        "exceptions": [],
        "logs": [],
        "eventTimestamp": 1,
        "event": {},
        "invocationId": INVOCATION_ID,
        "requestId": INVOCATION_ID
    });
    assert_eq!(json_of(item), expected);
}

#[test]
fn entries_have_the_keys_of_workerd() {
    let mut builder = TraceBuilder::new(Script::default(), EventInfo::Connect {}, 1, String::new());
    let error = ErrorInfo {
        name: "MyErr".to_owned(),
        message: "m".to_owned(),
        stack: Some("    at f (worker:3:7)".to_owned()),
    };
    let message = vec![to_raw_value("MyErr: m").unwrap(), to_raw_value(&7).unwrap()];
    builder.log(2, LogLevel::Error, message, Some(vec![Some(error), None]));
    builder.log(3, LogLevel::Log, vec![], None);
    builder.exception(TraceException {
        timestamp: 4,
        name: "TypeError".to_owned(),
        message: String::new(),
        stack: None,
    });
    builder.diagnostics_channel_event(DiagnosticsChannelEvent {
        timestamp: 5,
        channel: "ch".to_owned(),
        message: Some(to_raw_value(&json!({ "a": 1 })).unwrap()),
    });
    let item = json_of(builder.finish(End {
        outcome: Outcome::Exception,
        ..End::default()
    }));
    assert_eq!(
        item["logs"],
        json!([
            {
                "timestamp": 2,
                "level": "error",
                "message": ["MyErr: m", 7],
                "errorInfo": [
                    { "name": "MyErr", "message": "m", "stack": "    at f (worker:3:7)" },
                    null
                ]
            },
            { "timestamp": 3, "level": "log", "message": [] }
        ])
    );
    assert_eq!(
        item["exceptions"],
        json!([{ "timestamp": 4, "name": "TypeError", "message": "" }])
    );
    assert_eq!(
        item["diagnosticsChannelEvents"],
        json!([{ "timestamp": 5, "channel": "ch", "message": { "a": 1 } }])
    );
}

#[test]
fn what_was_lost_is_told_when_something_was() {
    let mut item = item_of(EventInfo::Connect {});
    item.truncated = true;
    item.lost_items = 3;
    item.dropped = Some(DroppedEntries {
        logs: 1,
        exceptions: 2,
        ..DroppedEntries::default()
    });
    let item = json_of(item);
    assert_eq!(item["lostItems"], 3);
    assert_eq!(
        item["dropped"],
        json!({ "logs": 1, "exceptions": 2, "diagnosticsChannelEvents": 0 })
    );
}

#[test]
fn log_arguments_keep_their_json_text() {
    let text = r#"{"b":1.50,"a":[1e2,"\u00e9"],"b":-0}"#;
    let mut builder = TraceBuilder::new(Script::default(), EventInfo::Connect {}, 1, String::new());
    let message = serde_json::from_str(text).unwrap();
    builder.log(2, LogLevel::Log, vec![message], None);
    let item = builder.finish(End {
        outcome: Outcome::Ok,
        ..End::default()
    });
    let json = serde_json::to_string(&item).unwrap();
    assert!(json.contains(&format!(r#""message":[{text}]"#)), "{json}");
}

#[test]
fn every_kind_of_event_has_the_shape_of_workerd() {
    let web_socket = |event| EventInfo::HibernatableWebSocket {
        get_web_socket_event: event,
    };
    let table = [
        (
            EventInfo::Fetch {
                request: hello_request(),
                response: None,
            },
            json!({
                "request": {
                    "url": "http://127.0.0.1:45649/",
                    "method": "GET",
                    "headers": { "connection": "close", "host": "127.0.0.1:45649" },
                    "cf": { "clientIp": "127.0.0.1:58090" }
                }
            }),
        ),
        (
            EventInfo::Rpc {
                rpc_method: "hello".to_owned(),
            },
            json!({ "rpcMethod": "hello" }),
        ),
        (
            EventInfo::Scheduled {
                cron: "*/5 * * * *".to_owned(),
                scheduled_time: 1_700_000_000_123,
            },
            json!({ "cron": "*/5 * * * *", "scheduledTime": 1_700_000_000_123_u64 }),
        ),
        (
            EventInfo::Alarm {
                scheduled_time: 1_795_220_030_830,
            },
            json!({ "scheduledTime": "2026-11-21T00:13:50.830Z" }),
        ),
        (
            EventInfo::Queue {
                queue: "my-queue".to_owned(),
                batch_size: 2,
            },
            json!({ "queue": "my-queue", "batchSize": 2 }),
        ),
        (
            EventInfo::Email {
                mail_from: "a@a.example".to_owned(),
                rcpt_to: "b@b.example".to_owned(),
                raw_size: 1234,
            },
            json!({ "mailFrom": "a@a.example", "rcptTo": "b@b.example", "rawSize": 1234 }),
        ),
        (
            EventInfo::Tail {
                consumed_events: vec![
                    ConsumedEvent {
                        script_name: Some("main".to_owned()),
                    },
                    ConsumedEvent { script_name: None },
                ],
            },
            json!({ "consumedEvents": [{ "scriptName": "main" }, { "scriptName": null }] }),
        ),
        (
            web_socket(WebSocketEvent::Message),
            json!({ "getWebSocketEvent": { "webSocketEventType": "message" } }),
        ),
        (
            web_socket(WebSocketEvent::Close {
                code: 3001,
                was_clean: true,
            }),
            json!({
                "getWebSocketEvent": {
                    "webSocketEventType": "close", "code": 3001, "wasClean": true
                }
            }),
        ),
        (
            web_socket(WebSocketEvent::Error),
            json!({ "getWebSocketEvent": { "webSocketEventType": "error" } }),
        ),
        (EventInfo::Connect {}, json!({})),
        (EventInfo::Custom {}, json!({})),
    ];
    for (event, expected) in table {
        assert_eq!(json_of(item_of(event))["event"], expected);
    }
}

#[test]
fn outcomes_levels_and_models_have_the_names_of_workerd() {
    let outcomes = [
        (Outcome::Unknown, "unknown"),
        (Outcome::Ok, "ok"),
        (Outcome::Exception, "exception"),
        (Outcome::ExceededCpu, "exceededCpu"),
        (Outcome::KillSwitch, "killSwitch"),
        (Outcome::DaemonDown, "daemonDown"),
        (Outcome::ScriptNotFound, "scriptNotFound"),
        (Outcome::Canceled, "canceled"),
        (Outcome::ExceededMemory, "exceededMemory"),
        (Outcome::LoadShed, "loadShed"),
        (
            Outcome::ResponseStreamDisconnected,
            "responseStreamDisconnected",
        ),
        (Outcome::InternalError, "internalError"),
        (Outcome::ExceededWallTime, "exceededWallTime"),
        (Outcome::Aborted, "aborted"),
    ];
    assert_eq!(outcomes.len(), 14);
    for (outcome, name) in outcomes {
        assert_eq!(json_of(outcome), name);
    }
    let levels = [
        (LogLevel::Debug, "debug"),
        (LogLevel::Info, "info"),
        (LogLevel::Log, "log"),
        (LogLevel::Warn, "warn"),
        (LogLevel::Error, "error"),
    ];
    for (level, name) in levels {
        assert_eq!(json_of(level), name);
    }
    let models = [
        (ExecutionModel::Stateless, "stateless"),
        (ExecutionModel::DurableObject, "durableObject"),
        (ExecutionModel::Workflow, "workflow"),
    ];
    for (model, name) in models {
        assert_eq!(json_of(model), name);
    }
}

#[test]
fn attribute_numbers_are_written_as_javascript_writes_them() {
    let table = [
        (0.0, "0"),
        (-0.0, "0"),
        (-17.0, "-17"),
        (0.5, "0.5"),
        (9_007_199_254_740_991.0, "9007199254740991"),
        (f64::NAN, "null"),
        (f64::INFINITY, "null"),
    ];
    for (number, text) in table {
        let json = serde_json::to_string(&AttributeValue::Number(number)).unwrap();
        assert_eq!(json, text);
    }
}

#[test]
fn an_item_can_be_read_back() {
    let events = [
        EventInfo::Fetch {
            request: hello_request(),
            response: Some(TailResponse { status: 200 }),
        },
        EventInfo::Fetch {
            request: TailRequest::new(RequestData::new("GET", "http://a/", NO_HEADERS, None)),
            response: None,
        },
        EventInfo::Rpc {
            rpc_method: "add".to_owned(),
        },
        EventInfo::Scheduled {
            cron: "* * * * *".to_owned(),
            scheduled_time: 1,
        },
        EventInfo::Alarm { scheduled_time: 1 },
        EventInfo::Queue {
            queue: "q".to_owned(),
            batch_size: 3,
        },
        EventInfo::Email {
            mail_from: "a".to_owned(),
            rcpt_to: "b".to_owned(),
            raw_size: 1,
        },
        EventInfo::Tail {
            consumed_events: vec![ConsumedEvent { script_name: None }],
        },
        EventInfo::HibernatableWebSocket {
            get_web_socket_event: WebSocketEvent::Close {
                code: 1000,
                was_clean: true,
            },
        },
        EventInfo::Connect {},
        EventInfo::Custom {},
    ];
    for event in events {
        let mut trace = TraceBuilder::new(
            Script {
                script_name: Some("w".to_owned()),
                tail_attributes: BTreeMap::from([("n".to_owned(), AttributeValue::Number(0.5))]),
                ..Script::default()
            },
            event,
            1_795_219_451_677,
            INVOCATION_ID.to_owned(),
        );
        let raw = |value: &Value| to_raw_value(value).unwrap();
        let error = ErrorInfo {
            name: "Error".to_owned(),
            message: "no".to_owned(),
            stack: None,
        };
        let slots = Some(vec![None, Some(error)]);
        trace.log(
            2,
            LogLevel::Warn,
            vec![raw(&json!(1.0)), raw(&json!({}))],
            slots,
        );
        trace.exception(TraceException {
            timestamp: 3,
            name: "Error".to_owned(),
            message: "no".to_owned(),
            stack: Some("at x".to_owned()),
        });
        for message in [None, Some(raw(&Value::Null)), Some(raw(&json!([1])))] {
            trace.diagnostics_channel_event(DiagnosticsChannelEvent {
                timestamp: 4,
                channel: "c".to_owned(),
                message,
            });
        }
        let item = trace.finish(End {
            outcome: Outcome::ExceededCpu,
            wall_time: Duration::from_millis(12),
            ..End::default()
        });
        let written = serde_json::to_string(&item).unwrap();
        let read: TraceItem = serde_json::from_str(&written).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), written);
    }
}

const NO_HEADERS: [(&str, &str); 0] = [];

#[test]
fn what_was_redacted_stays_so_when_it_is_read_back() {
    let request = RequestData::new("GET", "http://a/", [("authorization", "Bearer x")], None);
    let item = item_of(EventInfo::Fetch {
        request: TailRequest::new(request),
        response: None,
    });
    let read: TraceItem = serde_json::from_str(&serde_json::to_string(&item).unwrap()).unwrap();
    let Some(EventInfo::Fetch { request, .. }) = read.event else {
        panic!("{read:?}");
    };
    assert_eq!(request.unredacted().headers["authorization"], "REDACTED");
}
