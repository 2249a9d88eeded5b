//! Items as log records: what a Worker logs, and its uncaught failures.

use super::attributes::{attribute, exception_attributes, key_value, of_json};
use super::by_script::by_script;
use super::resource::{Resources, SCHEMA_URL, scope};
use crate::clock::nanoseconds;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs, SeverityNumber};
use std::borrow::Cow;
use std::collections::HashSet;
use taffrail_trace::{EpochMs, Json, LogLevel, TraceItem, TraceLog};

/// The most attributes of a record, as OpenTelemetry has it by default.
const ATTRIBUTES: usize = 128;

/// The flag of a record whose trace is sampled.
const SAMPLED: u32 = 1;

/// Returns how many log records an item is.
pub(crate) fn count(item: &TraceItem) -> u64 {
    (item.logs.len() + item.exceptions.len()) as u64
}

/// Returns the log records of items, those of one Worker together.
pub(crate) fn request(
    items: &[Cow<'_, TraceItem>],
    resources: &Resources,
) -> ExportLogsServiceRequest {
    let resource_logs = by_script(items)
        .into_iter()
        .map(|(script, items)| ResourceLogs {
            resource: Some(resources.of_script(script)),
            scope_logs: vec![ScopeLogs {
                scope: Some(scope()),
                log_records: items.into_iter().flat_map(records).collect(),
                schema_url: SCHEMA_URL.to_owned(),
            }],
            schema_url: SCHEMA_URL.to_owned(),
        });
    ExportLogsServiceRequest {
        resource_logs: resource_logs.collect(),
    }
}

fn records(item: &TraceItem) -> Vec<LogRecord> {
    let mut records: Vec<_> = item.logs.iter().map(|log| of_log(log, item)).collect();
    for exception in &item.exceptions {
        let attributes = exception_attributes(
            &exception.name,
            &exception.message,
            exception.stack.as_deref(),
        );
        records.push(LogRecord {
            severity_number: SeverityNumber::Error.into(),
            severity_text: "error".to_owned(),
            body: text(format!("{}: {}", exception.name, exception.message)),
            event_name: "exception".to_owned(),
            attributes: [of_item(item), attributes].concat(),
            ..record(exception.timestamp, item)
        });
    }
    records
}

/// What all records of an item have.
fn record(timestamp: EpochMs, item: &TraceItem) -> LogRecord {
    let time = nanoseconds(timestamp);
    LogRecord {
        time_unix_nano: time,
        observed_time_unix_nano: time,
        flags: if item.trace_sampled { SAMPLED } else { 0 },
        trace_id: item
            .trace_id
            .map(|id| id.bytes().to_vec())
            .unwrap_or_default(),
        span_id: item
            .span_id
            .map(|id| id.bytes().to_vec())
            .unwrap_or_default(),
        ..LogRecord::default()
    }
}

fn of_item(item: &TraceItem) -> Vec<KeyValue> {
    let mut attributes = vec![attribute("faas.invocation_id", item.invocation_id.as_str())];
    if let Some(entrypoint) = &item.script.entrypoint {
        attributes.push(attribute("cloudflare.entrypoint", entrypoint.as_str()));
    }
    attributes
}

fn of_log(log: &TraceLog, item: &TraceItem) -> LogRecord {
    let (severity, level) = match log.level {
        LogLevel::Debug => (SeverityNumber::Debug, "debug"),
        LogLevel::Info => (SeverityNumber::Info, "info"),
        LogLevel::Log => (SeverityNumber::Info, "log"),
        LogLevel::Warn => (SeverityNumber::Warn, "warn"),
        LogLevel::Error => (SeverityNumber::Error, "error"),
    };
    let mut attributes = of_item(item);
    let mut errors = log.error_info.iter().flatten().flatten();
    if let Some(error) = errors.next() {
        let stack = error.stack.as_deref();
        attributes.extend(exception_attributes(&error.name, &error.message, stack));
    }
    let dropped = add_members(&log.message, &mut attributes);
    LogRecord {
        severity_number: severity.into(),
        severity_text: level.to_owned(),
        body: text(body(&log.message)),
        attributes,
        dropped_attributes_count: dropped,
        ..record(log.timestamp, item)
    }
}

fn text(text: String) -> Option<AnyValue> {
    Some(AnyValue {
        value: Some(Value::StringValue(text)),
    })
}

/// The arguments, as a terminal would show them: texts as they are, everything else as JSON.
fn body(arguments: &[Json]) -> String {
    let mut body = String::new();
    for (index, argument) in arguments.iter().enumerate() {
        if index > 0 {
            body.push(' ');
        }
        match serde_json::from_str::<String>(argument.get()) {
            Ok(text) => body.push_str(&text),
            Err(_) => body.push_str(argument.get()),
        }
    }
    body
}

/// Adds the members of arguments that are objects, under their own names. The first of a name
/// counts. Returns how many had no room. The body has all of them.
fn add_members(arguments: &[Json], attributes: &mut Vec<KeyValue>) -> u32 {
    let mut names: HashSet<String> = attributes.iter().map(|known| known.key.clone()).collect();
    let mut dropped = 0_u32;
    for argument in arguments.iter().filter(|json| json.get().starts_with('{')) {
        let parsed = serde_json::from_str(argument.get());
        let Ok(serde_json::Value::Object(members)) = parsed else {
            continue;
        };
        for (name, value) in members {
            let Some(value) = of_json(value) else {
                continue;
            };
            if name.is_empty() || names.contains(&name) {
                continue;
            }
            if attributes.len() < ATTRIBUTES {
                names.insert(name.clone());
                attributes.push(key_value(name, value));
            } else {
                dropped = dropped.saturating_add(1);
            }
        }
    }
    dropped
}
