//! The typed record in the JSON that stands for it.

use serde_json::{Map, Value, json};

use crate::taffrail::workers::types::{
    AttributeValue, EventInfo, ExecutionModel, LogLevel, Outcome, TailRequest, TraceException,
    TraceItem, TraceLog,
};

pub fn item(item: &TraceItem) -> Value {
    let mut object = Map::new();
    let mut set = |key: &str, value: Value| {
        if value != Value::Null {
            object.insert(key.to_owned(), value);
        }
    };
    set("event", item.event.as_ref().map(event).into());
    set("eventTimestamp", item.event_timestamp.into());
    set("logs", item.logs.iter().map(log).collect());
    set(
        "exceptions",
        item.exceptions.iter().map(exception).collect(),
    );
    set(
        "diagnosticsChannelEvents",
        (item.diagnostics_channel_events.iter())
            .map(|event| json!({ "timestamp": event.timestamp, "channel": event.channel }))
            .collect(),
    );
    set("scriptName", item.script_name.clone().into());
    set("entrypoint", item.entrypoint.clone().into());
    set("dispatchNamespace", item.dispatch_namespace.clone().into());
    set("durableObjectId", item.durable_object_id.clone().into());
    set("executionModel", execution_model(item.execution_model));
    set("outcome", outcome(item.outcome).into());
    set("truncated", item.truncated.into());
    set("cpuTime", item.cpu_time.into());
    set("wallTime", item.wall_time.into());
    set("invocationId", item.invocation_id.clone().into());
    set("requestId", item.request_id.clone().into());
    if let Some(parent) = &item.parent_invocation_id {
        set("parentInvocationId", parent.clone().into());
    }
    if item.peak_memory > 0 {
        set("peakMemory", item.peak_memory.into());
    }
    if let Some(limit) = &item.exceeded_limit {
        set(
            "exceededLimit",
            json!({ "key": limit.key, "value": limit.value }),
        );
    }
    if let Some(dropped) = &item.dropped {
        set(
            "dropped",
            json!({
                "logs": dropped.logs,
                "exceptions": dropped.exceptions,
                "diagnosticsChannelEvents": dropped.diagnostics_channel_events,
            }),
        );
    }
    if !item.script_tags.is_empty() {
        set("scriptTags", item.script_tags.clone().into());
    }
    if !item.tail_attributes.is_empty() {
        set("tailAttributes", attributes(&item.tail_attributes));
    }
    if item.lost_items > 0 {
        set("lostItems", item.lost_items.into());
    }
    object.into()
}

pub fn request(request: &TailRequest) -> Value {
    let headers: Map<_, _> = request
        .headers
        .iter()
        .map(|(name, value)| (name.clone(), value.clone().into()))
        .collect();
    let mut shown = json!({ "url": request.url, "method": request.method, "headers": headers });
    if let Some(cf) = &request.cf {
        shown["cf"] = parsed(cf);
    }
    shown
}

fn event(event: &EventInfo) -> Value {
    match event {
        EventInfo::Fetch(fetch) => {
            let mut shown = json!({ "request": request(&fetch.request) });
            if let Some(response) = fetch.response {
                shown["response"] = json!({ "status": response.status });
            }
            shown
        }
        EventInfo::Tail(tail) => {
            let consumed = tail.consumed_events.iter();
            let consumed: Vec<_> = consumed
                .map(|event| json!({ "scriptName": event.script_name }))
                .collect();
            json!({ "consumedEvents": consumed })
        }
        other => panic!("no test makes such an event: {other:?}"),
    }
}

fn log(log: &TraceLog) -> Value {
    let message: Vec<_> = log.message.iter().map(|text| parsed(text)).collect();
    let level = match log.level {
        LogLevel::Debug => "debug",
        LogLevel::Info => "info",
        LogLevel::Log => "log",
        LogLevel::Warn => "warn",
        LogLevel::Error => "error",
    };
    json!({ "timestamp": log.timestamp, "level": level, "message": message })
}

fn exception(exception: &TraceException) -> Value {
    let mut shown = json!({
        "timestamp": exception.timestamp,
        "name": exception.name,
        "message": exception.message,
    });
    if let Some(stack) = &exception.stack {
        shown["stack"] = stack.clone().into();
    }
    shown
}

fn attributes(attributes: &[(String, AttributeValue)]) -> Value {
    let attributes = attributes.iter().map(|(name, value)| {
        let value = match value {
            AttributeValue::Text(text) => text.clone().into(),
            AttributeValue::Number(number) => (*number).into(),
            AttributeValue::Boolean(boolean) => (*boolean).into(),
        };
        (name.clone(), value)
    });
    Value::Object(attributes.collect())
}

fn execution_model(model: ExecutionModel) -> Value {
    match model {
        ExecutionModel::Stateless => "stateless",
        ExecutionModel::DurableObject => "durableObject",
        ExecutionModel::Workflow => "workflow",
    }
    .into()
}

fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Unknown => "unknown",
        Outcome::Ok => "ok",
        Outcome::Exception => "exception",
        Outcome::ExceededCpu => "exceededCpu",
        Outcome::KillSwitch => "killSwitch",
        Outcome::DaemonDown => "daemonDown",
        Outcome::ScriptNotFound => "scriptNotFound",
        Outcome::Canceled => "canceled",
        Outcome::ExceededMemory => "exceededMemory",
        Outcome::LoadShed => "loadShed",
        Outcome::ResponseStreamDisconnected => "responseStreamDisconnected",
        Outcome::InternalError => "internalError",
        Outcome::ExceededWallTime => "exceededWallTime",
        Outcome::Aborted => "aborted",
    }
}

fn parsed(json: &str) -> Value {
    serde_json::from_str(json).expect("the host gives JSON")
}
