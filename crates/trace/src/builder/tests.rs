use super::*;
use serde_json::value::RawValue;

const URL: &str = "http://127.0.0.1:36965/";
const CF: &str = r#"{"clientIp":"127.0.0.1:41252"}"#;

/// The request of the recordings of workerd that the counts below come from.
pub(super) fn recorded_request() -> RequestData {
    let headers = [("connection", "close"), ("host", "127.0.0.1:36965")];
    let cf = RawValue::from_string(CF.to_owned()).unwrap();
    RequestData::new("GET", URL, headers, Some(cf))
}

fn fetch(request: RequestData) -> TraceBuilder {
    let event = EventInfo::Fetch {
        request: TailRequest::new(request),
        response: None,
    };
    TraceBuilder::new(Script::default(), event, 1, "0".repeat(32))
}

pub(super) fn builder() -> TraceBuilder {
    fetch(recorded_request())
}

fn log(builder: &mut TraceBuilder, text: &str) {
    let message = vec![to_raw_value(text).unwrap()];
    builder.log(2, LogLevel::Log, message, None);
}

pub(super) fn exception(message: String, stack: Option<&str>) -> TraceException {
    TraceException {
        timestamp: 3,
        name: "Error".to_owned(),
        message,
        stack: stack.map(str::to_owned),
    }
}

pub(super) fn diagnostic(channel: &str, text: &str) -> DiagnosticsChannelEvent {
    DiagnosticsChannelEvent {
        timestamp: 4,
        channel: channel.to_owned(),
        message: Some(to_raw_value(text).unwrap()),
    }
}

pub(super) fn finish(builder: TraceBuilder) -> TraceItem {
    builder.finish(End {
        outcome: Outcome::Ok,
        ..End::default()
    })
}

#[track_caller]
fn assert_log_marker(log: &TraceLog) {
    assert_eq!(log.level, LogLevel::Warn);
    let texts: Vec<_> = log.message.iter().map(|json| json.get()).collect();
    assert_eq!(
        texts,
        [
            "\"Log size limit exceeded: More than 256KB of data (across console.log statements, \
             exception, request metadata and headers) was logged during a single request. \
             Subsequent data for this request will not be recorded in logs, appear when tailing \
             this Worker's logs, or in Tail Workers.\""
        ]
    );
}

#[track_caller]
fn assert_exception_marker(exception: &TraceException) {
    assert_eq!(exception.name, "Error");
    assert_eq!(
        exception.message,
        "Trace resource limit exceeded; subsequent exceptions not recorded."
    );
    assert_eq!(exception.stack, None);
}

#[test]
fn nothing_is_dropped_within_the_budget() {
    let mut builder = builder();
    log(&mut builder, "one");
    let item = finish(builder);
    assert!(!item.truncated);
    assert_eq!(item.dropped, None);
    assert_eq!(item.logs.len(), 1);
}

#[test]
fn logs_of_1000_bytes_fit_242_times() {
    let mut builder = builder();
    for _ in 0..400 {
        log(&mut builder, &"x".repeat(996));
    }
    builder.exception(exception("after limit".to_owned(), None));
    let item = finish(builder);
    assert_eq!(item.logs.len(), 242 + 1);
    assert_log_marker(&item.logs[242]);
    assert_eq!(item.exceptions[0].message, "after limit");
    assert!(item.truncated);
    let dropped = DroppedEntries {
        logs: 400 - 242,
        ..DroppedEntries::default()
    };
    assert_eq!(item.dropped, Some(dropped));
}

#[test]
fn logs_of_one_number_fit_3060_times() {
    let mut builder = builder();
    for number in 0..4000 {
        let message = vec![to_raw_value(&number).unwrap()];
        builder.log(2, LogLevel::Log, message, None);
    }
    let item = finish(builder);
    assert_eq!(item.logs.len(), 3060 + 1);
    assert_log_marker(&item.logs[3060]);
}

#[test]
fn error_info_counts() {
    let mut builder = builder();
    for _ in 0..400 {
        let error = ErrorInfo {
            name: "Error".to_owned(),
            message: "x".repeat(500),
            stack: Some("s".repeat(500)),
        };
        let text = format!("Error: {}", error.message);
        let message = vec![to_raw_value(&text).unwrap()];
        builder.log(2, LogLevel::Log, message, Some(vec![Some(error)]));
    }
    let item = finish(builder);
    assert_eq!(item.logs.len(), 164 + 1);
    assert_log_marker(&item.logs[164]);
}

#[test]
fn exceptions_of_1000_bytes_fit_232_times() {
    let mut builder = builder();
    for _ in 0..400 {
        builder.exception(TraceException {
            name: "E".to_owned(),
            ..exception("x".repeat(1000), None)
        });
    }
    let item = finish(builder);
    assert_eq!(item.exceptions.len(), 232 + 1);
    assert_exception_marker(&item.exceptions[232]);
    assert_eq!(item.dropped.unwrap().exceptions, 400 - 232);
    assert!(item.logs.is_empty());
}

#[test]
fn a_log_that_is_too_big_is_dropped_whole_and_ends_the_logs() {
    let mut builder = builder();
    log(&mut builder, "small before");
    log(&mut builder, &"x".repeat(300_000));
    log(&mut builder, "small after");
    let item = finish(builder);
    assert_eq!(item.logs.len(), 2);
    assert_eq!(item.logs[0].message[0].get(), r#""small before""#);
    assert_log_marker(&item.logs[1]);
    assert_eq!(item.dropped.unwrap().logs, 2);
}

#[test]
fn a_small_log_is_dropped_after_one_that_did_not_fit() {
    let mut builder = builder();
    log(&mut builder, &"a".repeat(200_000));
    log(&mut builder, &"b".repeat(100_000));
    log(&mut builder, "small");
    let item = finish(builder);
    assert_eq!(item.logs.len(), 2);
    assert_eq!(item.logs[0].message[0].get().len(), 200_002);
    assert_log_marker(&item.logs[1]);
}

#[test]
fn an_exception_still_fits_after_the_logs_overflowed() {
    let mut builder = builder();
    log(&mut builder, &"x".repeat(261_000));
    log(&mut builder, &"y".repeat(2000));
    let stack = "    at Object.fetch (worker:3:71)";
    builder.exception(exception("z".repeat(500), Some(stack)));
    let item = finish(builder);
    assert_eq!(item.logs.len(), 2);
    assert_eq!(item.exceptions.len(), 1);
    assert_eq!(item.exceptions[0].message, "z".repeat(500));
    assert_eq!(item.exceptions[0].stack.as_deref(), Some(stack));
}

#[test]
fn an_exception_that_does_not_fit_leaves_its_own_marker() {
    let mut builder = builder();
    log(&mut builder, &"x".repeat(261_000));
    log(&mut builder, &"y".repeat(2000));
    log(&mut builder, "z");
    builder.exception(exception("e".repeat(2000), None));
    builder.exception(exception("small".to_owned(), None));
    let item = finish(builder);
    assert_eq!(item.logs.len(), 2);
    assert_eq!(item.exceptions.len(), 1);
    assert_exception_marker(&item.exceptions[0]);
    let dropped = item.dropped.unwrap();
    assert_eq!((dropped.logs, dropped.exceptions), (2, 2));
}

#[test]
fn diagnostics_that_do_not_fit_leave_a_marker_without_message() {
    let mut builder = builder();
    for _ in 0..400 {
        builder.diagnostics_channel_event(diagnostic("ch", &"x".repeat(998)));
    }
    log(&mut builder, "fits");
    let item = finish(builder);
    // 56 + "ch" + 1,000 bytes of JSON.
    let kept = (MAX_TRACE_BYTES - request_bytes(&recorded_request())) / 1058;
    assert_eq!(item.diagnostics_channel_events.len(), kept + 1);
    let marker = &item.diagnostics_channel_events[kept];
    assert_eq!(marker.channel, "workerd.LimitExceeded");
    assert!(marker.message.is_none());
    assert_eq!(
        item.dropped.unwrap().diagnostics_channel_events,
        400 - kept as u64
    );
    assert_eq!(item.logs.len(), 1);
}

#[test]
fn the_budget_is_used_to_its_last_byte() {
    let left = MAX_TRACE_BYTES - (URL.len() + 10 + 5 + 4 + 15 + CF.len());
    let mut exact = builder();
    log(&mut exact, &"x".repeat(left - 80 - 4));
    exact.exception(exception(String::new(), None));
    let item = finish(exact);
    assert_eq!(item.dropped.unwrap().logs, 0);
    assert_exception_marker(&item.exceptions[0]);

    let mut one_more = builder();
    log(&mut one_more, &"x".repeat(left - 80 - 4 + 1));
    assert_log_marker(&finish(one_more).logs[0]);
}

#[test]
fn brackets_and_commas_of_the_arguments_count() {
    let arguments = |count: usize| vec![to_raw_value(&1).unwrap(); count];
    assert_eq!(json_array_bytes(&arguments(0)), "[]".len());
    assert_eq!(json_array_bytes(&arguments(1)), "[1]".len());
    assert_eq!(json_array_bytes(&arguments(3)), "[1,1,1]".len());
}

#[test]
fn a_request_that_is_too_big_is_replaced_and_logs_go_on() {
    let mut request = recorded_request();
    request.method = "PURGE".to_owned();
    request.url.push_str(&"a".repeat(MAX_TRACE_BYTES));
    let mut builder = fetch(request);
    log(&mut builder, &"x".repeat(MAX_TRACE_BYTES - 80 - 4));
    builder.set_response(TailResponse { status: 200 });
    let item = finish(builder);
    assert_eq!(
        serde_json::to_string(&item.event).unwrap(),
        r#"{"request":{"url":"","method":"PURGE","headers":{}},"response":{"status":200}}"#
    );
    assert_eq!(item.logs.len(), 2);
    assert_eq!(
        serde_json::to_string(&item.logs[0]).unwrap(),
        concat!(
            r#"{"timestamp":1,"level":"warn","message":"#,
            r#"["Trace resource limit exceeded; could not capture event info."]}"#
        )
    );
    assert_eq!(item.logs[1].message[0].get().len(), MAX_TRACE_BYTES - 82);
    assert!(item.truncated);
    assert_eq!(item.dropped, Some(DroppedEntries::default()));
}

#[test]
fn a_long_exception_message_is_cut_and_loses_its_stack() {
    let mut builder = builder();
    builder.exception(exception("L".repeat(5000), Some("    at f")));
    builder.exception(exception("é".repeat(4097), Some("    at f")));
    builder.exception(exception("é".repeat(4096), Some("    at f")));
    let item = finish(builder);
    assert_eq!(item.exceptions[0].message, "L".repeat(4096));
    assert_eq!(item.exceptions[0].stack, None);
    assert_eq!(item.exceptions[1].message, "é".repeat(4096));
    assert_eq!(item.exceptions[1].stack, None);
    assert_eq!(item.exceptions[2].message, "é".repeat(4096));
    assert_eq!(item.exceptions[2].stack.as_deref(), Some("    at f"));
    assert!(!item.truncated);
}

#[test]
fn there_is_one_error_slot_an_argument() {
    let error = ErrorInfo {
        name: "Error".to_owned(),
        message: "m".to_owned(),
        stack: None,
    };
    let mut builder = builder();
    let message = || vec![to_raw_value("a").unwrap(), to_raw_value("b").unwrap()];
    let surplus = vec![Some(error.clone()); 1000];
    builder.log(2, LogLevel::Log, message(), Some(surplus));
    builder.log(2, LogLevel::Log, message(), Some(vec![Some(error.clone())]));
    let item = finish(builder);
    let slots = |log: usize| item.logs[log].error_info.as_ref().unwrap().as_slice();
    assert_eq!(slots(0), [Some(error.clone()), Some(error.clone())]);
    assert_eq!(slots(1), [Some(error), None]);
}

#[test]
fn a_response_can_be_set() {
    let response = |item: TraceItem| match item.event {
        Some(EventInfo::Fetch { response, .. }) => response,
        other => panic!("not a fetch event: {other:?}"),
    };
    let mut set = builder();
    set.set_response(TailResponse { status: 404 });
    assert_eq!(response(finish(set)), Some(TailResponse { status: 404 }));
}

#[test]
fn names_are_cut_at_a_character() {
    let long = format!("{}{}", "x".repeat(1023), "é".repeat(4_000_000));
    let cut = "x".repeat(1023);
    let names = |event: EventInfo| {
        let script = Script {
            script_name: Some(long.clone()),
            entrypoint: Some(long.clone()),
            durable_object_id: Some("short".to_owned()),
            dispatch_namespace: Some(long.clone()),
            ..Script::default()
        };
        let item = finish(TraceBuilder::new(script, event, 1, String::new()));
        assert!(item.truncated);
        assert_eq!(item.dropped, Some(DroppedEntries::default()));
        assert_eq!(item.script.script_name.as_deref(), Some(&*cut));
        assert_eq!(item.script.entrypoint.as_deref(), Some(&*cut));
        assert_eq!(item.script.durable_object_id.as_deref(), Some("short"));
        assert_eq!(item.script.dispatch_namespace.as_deref(), Some(&*cut));
        serde_json::to_string(&item.event).unwrap()
    };
    let queue = EventInfo::Queue {
        queue: long.clone(),
        batch_size: 1,
    };
    assert_eq!(
        names(queue),
        format!(r#"{{"queue":"{cut}","batchSize":1}}"#)
    );
    let rpc = EventInfo::Rpc {
        rpc_method: long.clone(),
    };
    assert_eq!(names(rpc), format!(r#"{{"rpcMethod":"{cut}"}}"#));
    let scheduled = EventInfo::Scheduled {
        cron: long.clone(),
        scheduled_time: 1,
    };
    assert_eq!(
        names(scheduled),
        format!(r#"{{"cron":"{cut}","scheduledTime":1}}"#)
    );
}

#[test]
fn a_console_call_without_room_is_dropped_before_it_is_made() {
    let mut builder = builder();
    assert!(!builder.refuses_log(2, 1000));
    assert!(builder.refuses_log(2, MAX_TRACE_BYTES));
    assert!(builder.logs_are_full());
    assert!(builder.refuses_log(2, 1));
    builder.drop_logs(5);
    log(&mut builder, "too late");
    let item = finish(builder);
    assert_eq!(item.logs.len(), 1);
    assert_log_marker(&item.logs[0]);
    assert_eq!(item.dropped.unwrap().logs, 8);
}

#[test]
fn only_a_fetch_event_has_a_response() {
    let mut builder = TraceBuilder::new(Script::default(), EventInfo::Connect {}, 1, String::new());
    builder.set_response(TailResponse { status: 200 });
    assert_eq!(serde_json::to_string(&finish(builder).event).unwrap(), "{}");
}

#[test]
fn the_end_is_recorded_as_given() {
    let end = End {
        outcome: Outcome::ExceededCpu,
        cpu_time: Duration::from_micros(1500),
        wall_time: Duration::from_millis(20),
        peak_memory: 1 << 20,
        exceeded_limit: Some(ExceededLimit {
            key: "limits.cpu_ms".to_owned(),
            value: 1,
        }),
    };
    let item = builder().finish(end.clone());
    assert_eq!(item.outcome, end.outcome);
    assert_eq!(
        (item.cpu_time, item.wall_time),
        (end.cpu_time, end.wall_time)
    );
    assert_eq!(item.peak_memory, end.peak_memory);
    assert_eq!(item.exceeded_limit, end.exceeded_limit);
    assert_eq!(item.event_timestamp, Some(1));
    assert_eq!(item.invocation_id, "0".repeat(32));
}
