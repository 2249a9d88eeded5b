//! Prints every field of an item.

use std::fmt::Display;

use crate::taffrail::workers::types::{
    AttributeValue, EventInfo, HibernatableWebSocketEvent, TraceItem,
};

pub fn show(item: &TraceItem) {
    event(item.event.as_ref());
    println!("timestamp {}", or_dash(item.event_timestamp));
    for log in &item.logs {
        println!("log {} {}", log.timestamp, log.level as u8);
        for argument in &log.message {
            println!("message \"{argument}\"");
        }
        for error in log.error_info.iter().flatten() {
            let error = error.as_ref().map(|error| {
                let stack = text(error.stack.as_deref());
                format!("\"{}\" \"{}\" {stack}", error.name, error.message)
            });
            println!("error {}", or_dash(error));
        }
    }
    for exception in &item.exceptions {
        let (name, message) = (&exception.name, &exception.message);
        let stack = text(exception.stack.as_deref());
        println!(
            "exception {} \"{name}\" \"{message}\" {stack}",
            exception.timestamp
        );
    }
    for event in &item.diagnostics_channel_events {
        let message = text(event.message.as_deref());
        println!(
            "channel {} \"{}\" {message}",
            event.timestamp, event.channel
        );
    }
    println!("script {}", text(item.script_name.as_deref()));
    println!("entrypoint {}", text(item.entrypoint.as_deref()));
    let version = item.script_version.as_ref().map(|version| {
        let parts = [&version.id, &version.tag, &version.message];
        parts.map(|part| text(part.as_deref())).join(" ")
    });
    println!("version {}", or_dash(version));
    for tag in &item.script_tags {
        println!("tag \"{tag}\"");
    }
    println!("namespace {}", text(item.dispatch_namespace.as_deref()));
    for (name, value) in &item.tail_attributes {
        let value = match value {
            AttributeValue::Text(value) => format!("0 \"{value}\""),
            AttributeValue::Number(value) => format!("1 {value}"),
            AttributeValue::Boolean(value) => format!("2 {value}"),
        };
        println!("attribute \"{name}\" {value}");
    }
    let preview = item.preview.as_ref().map(|preview| {
        format!(
            "\"{}\" \"{}\" \"{}\"",
            preview.id, preview.slug, preview.name
        )
    });
    println!("preview {}", or_dash(preview));
    println!("object {}", text(item.durable_object_id.as_deref()));
    println!("model {}", item.execution_model as u8);
    println!("outcome {}", item.outcome as u8);
    println!("truncated {}", item.truncated);
    println!("cpu {}", item.cpu_time);
    println!("wall {}", item.wall_time);
    println!("invocation \"{}\"", item.invocation_id);
    println!("request \"{}\"", item.request_id);
    println!("parent {}", text(item.parent_invocation_id.as_deref()));
    println!("memory {}", item.peak_memory);
    let limit = item.exceeded_limit.as_ref();
    let limit = limit.map(|limit| format!("\"{}\" {}", limit.key, limit.value));
    println!("limit {}", or_dash(limit));
    let dropped = item.dropped.map(|dropped| {
        let events = dropped.diagnostics_channel_events;
        format!("{} {} {events}", dropped.logs, dropped.exceptions)
    });
    println!("dropped {}", or_dash(dropped));
    println!("lost {}", item.lost_items);
}

fn event(event: Option<&EventInfo>) {
    match event {
        None => println!("event -"),
        Some(EventInfo::Fetch(fetch)) => {
            let (url, method) = (&fetch.request.url, &fetch.request.method);
            let cf = text(fetch.request.cf.as_deref());
            let status = or_dash(fetch.response.map(|response| response.status));
            println!("event 0 \"{url}\" \"{method}\" {cf} {status}");
            for (name, value) in &fetch.request.headers {
                println!("header \"{name}\" \"{value}\"");
            }
        }
        Some(EventInfo::Rpc(rpc)) => println!("event 1 \"{}\"", rpc.rpc_method),
        Some(EventInfo::Scheduled(event)) => {
            println!("event 2 \"{}\" {}", event.cron, event.scheduled_time);
        }
        Some(EventInfo::Alarm(alarm)) => println!("event 3 {}", alarm.scheduled_time),
        Some(EventInfo::Queue(queue)) => {
            println!("event 4 \"{}\" {}", queue.queue, queue.batch_size);
        }
        Some(EventInfo::Email(mail)) => {
            let (from, to) = (&mail.mail_from, &mail.rcpt_to);
            println!("event 5 \"{from}\" \"{to}\" {}", mail.raw_size);
        }
        Some(EventInfo::Tail(tail)) => {
            println!("event 6");
            for event in &tail.consumed_events {
                println!("consumed {}", text(event.script_name.as_deref()));
            }
        }
        Some(EventInfo::HibernatableWebSocket(event)) => match event {
            HibernatableWebSocketEvent::Message => println!("event 7 0"),
            HibernatableWebSocketEvent::Close(close) => {
                println!("event 7 1 {} {}", close.code, close.was_clean);
            }
            HibernatableWebSocketEvent::Error => println!("event 7 2"),
        },
        Some(EventInfo::Connect) => println!("event 8"),
        Some(EventInfo::Custom) => println!("event 9"),
    }
}

fn text(text: Option<&str>) -> String {
    or_dash(text.map(|text| format!("\"{text}\"")))
}

/// What is there, or a dash.
fn or_dash(value: Option<impl Display>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}
