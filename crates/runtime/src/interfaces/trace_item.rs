//! Converts a trace item to the types of `taffrail:workers/types`.

use crate::instance::state::State;
use crate::interfaces::types::{Raw, RawRequest, tail_request, types};
use std::sync::Arc;
use std::time::Duration;
use taffrail_trace as trace;
use taffrail_trace::{AttributeValue, EventInfo, ExecutionModel, LogLevel, Outcome};
use wasmtime::component::ResourceTableError;

/// Converts the items of a tail event, with their resources.
pub(crate) fn items(
    items: &[Arc<trace::TraceItem>],
    state: &mut State,
) -> Result<Vec<types::TraceItem>, ResourceTableError> {
    items.iter().map(|item| trace_item(item, state)).collect()
}

fn trace_item(
    item: &Arc<trace::TraceItem>,
    state: &mut State,
) -> Result<types::TraceItem, ResourceTableError> {
    let event = match &item.event {
        Some(event) => Some(event_info(event, || Raw::Item(Arc::clone(item)), state)?),
        None => None,
    };
    let script = &item.script;
    Ok(types::TraceItem {
        event,
        event_timestamp: item.event_timestamp,
        logs: item.logs.iter().map(trace_log).collect(),
        exceptions: item.exceptions.iter().map(trace_exception).collect(),
        diagnostics_channel_events: item
            .diagnostics_channel_events
            .iter()
            .map(diagnostics_channel_event)
            .collect(),
        script_name: script.script_name.clone(),
        entrypoint: script.entrypoint.clone(),
        script_version: script.script_version.as_ref().map(script_version),
        script_tags: script.script_tags.clone(),
        dispatch_namespace: script.dispatch_namespace.clone(),
        tail_attributes: script
            .tail_attributes
            .iter()
            .map(|(name, value)| (name.clone(), attribute_value(value)))
            .collect(),
        preview: script.preview.as_ref().map(preview),
        durable_object_id: script.durable_object_id.clone(),
        execution_model: execution_model(script.execution_model),
        outcome: outcome(item.outcome),
        truncated: item.truncated,
        cpu_time: milliseconds(item.cpu_time),
        wall_time: milliseconds(item.wall_time),
        invocation_id: item.invocation_id.clone(),
        request_id: item.request_id.clone(),
        parent_invocation_id: item.parent_invocation_id.clone(),
        peak_memory: item.peak_memory,
        exceeded_limit: item.exceeded_limit.as_ref().map(exceeded_limit),
        dropped: item.dropped.map(dropped_entries),
        lost_items: item.lost_items,
    })
}

/// Converts an event. `raw` returns what has the unredacted request.
pub(super) fn event_info(
    event: &EventInfo,
    raw: impl FnOnce() -> Raw,
    state: &mut State,
) -> Result<types::EventInfo, ResourceTableError> {
    Ok(match event {
        EventInfo::Fetch { request, response } => types::EventInfo::Fetch(types::FetchEvent {
            request: tail_request(&request.redacted()),
            raw: state.table.push(RawRequest(raw()))?,
            response: response.map(|response| types::TailResponse {
                status: response.status,
            }),
        }),
        EventInfo::Rpc { rpc_method } => types::EventInfo::Rpc(types::RpcEvent {
            rpc_method: rpc_method.clone(),
        }),
        EventInfo::Scheduled {
            cron,
            scheduled_time,
        } => types::EventInfo::Scheduled(types::ScheduledEvent {
            cron: cron.clone(),
            scheduled_time: *scheduled_time,
        }),
        EventInfo::Alarm { scheduled_time } => types::EventInfo::Alarm(types::AlarmEvent {
            scheduled_time: *scheduled_time,
        }),
        EventInfo::Queue { queue, batch_size } => types::EventInfo::Queue(types::QueueEvent {
            queue: queue.clone(),
            batch_size: *batch_size,
        }),
        EventInfo::Email {
            mail_from,
            rcpt_to,
            raw_size,
        } => types::EventInfo::Email(types::EmailEvent {
            mail_from: mail_from.clone(),
            rcpt_to: rcpt_to.clone(),
            raw_size: *raw_size,
        }),
        EventInfo::Tail { consumed_events } => types::EventInfo::Tail(types::TailEvent {
            consumed_events: consumed_events
                .iter()
                .map(|consumed| types::ConsumedEvent {
                    script_name: consumed.script_name.clone(),
                })
                .collect(),
        }),
        EventInfo::HibernatableWebSocket {
            get_web_socket_event,
        } => types::EventInfo::HibernatableWebSocket(web_socket_event(get_web_socket_event)),
        EventInfo::Connect {} => types::EventInfo::Connect,
        EventInfo::Custom {} => types::EventInfo::Custom,
    })
}

fn web_socket_event(event: &trace::WebSocketEvent) -> types::HibernatableWebSocketEvent {
    match event {
        trace::WebSocketEvent::Message => types::HibernatableWebSocketEvent::Message,
        trace::WebSocketEvent::Close { code, was_clean } => {
            types::HibernatableWebSocketEvent::Close(types::WebSocketClose {
                code: *code,
                was_clean: *was_clean,
            })
        }
        trace::WebSocketEvent::Error => types::HibernatableWebSocketEvent::Error,
    }
}

fn trace_log(log: &trace::TraceLog) -> types::TraceLog {
    types::TraceLog {
        timestamp: log.timestamp,
        level: log_level(log.level),
        message: log.message.iter().map(json).collect(),
        error_info: log.error_info.as_ref().map(|slots| {
            slots
                .iter()
                .map(|slot| slot.as_ref().map(error_info))
                .collect()
        }),
    }
}

pub(super) fn log_level(level: LogLevel) -> types::LogLevel {
    match level {
        LogLevel::Debug => types::LogLevel::Debug,
        LogLevel::Info => types::LogLevel::Info,
        LogLevel::Log => types::LogLevel::Log,
        LogLevel::Warn => types::LogLevel::Warn,
        LogLevel::Error => types::LogLevel::Error,
    }
}

pub(super) fn error_info(error: &trace::ErrorInfo) -> types::ErrorInfo {
    types::ErrorInfo {
        name: error.name.clone(),
        message: error.message.clone(),
        stack: error.stack.clone(),
    }
}

fn trace_exception(exception: &trace::TraceException) -> types::TraceException {
    types::TraceException {
        timestamp: exception.timestamp,
        name: exception.name.clone(),
        message: exception.message.clone(),
        stack: exception.stack.clone(),
    }
}

fn diagnostics_channel_event(
    event: &trace::DiagnosticsChannelEvent,
) -> types::DiagnosticsChannelEvent {
    types::DiagnosticsChannelEvent {
        timestamp: event.timestamp,
        channel: event.channel.clone(),
        message: event.message.as_ref().map(json),
    }
}

pub(super) fn script_version(version: &trace::ScriptVersion) -> types::ScriptVersion {
    types::ScriptVersion {
        id: version.id.clone(),
        tag: version.tag.clone(),
        message: version.message.clone(),
    }
}

fn preview(preview: &trace::Preview) -> types::Preview {
    types::Preview {
        id: preview.id.clone(),
        slug: preview.slug.clone(),
        name: preview.name.clone(),
    }
}

fn attribute_value(value: &AttributeValue) -> types::AttributeValue {
    match value {
        AttributeValue::Text(text) => types::AttributeValue::Text(text.clone()),
        AttributeValue::Integer(number) => types::AttributeValue::Number(*number as f64),
        AttributeValue::Number(number) => types::AttributeValue::Number(*number),
        AttributeValue::Boolean(boolean) => types::AttributeValue::Boolean(*boolean),
    }
}

pub(super) fn execution_model(model: ExecutionModel) -> types::ExecutionModel {
    match model {
        ExecutionModel::Stateless => types::ExecutionModel::Stateless,
        ExecutionModel::DurableObject => types::ExecutionModel::DurableObject,
        ExecutionModel::Workflow => types::ExecutionModel::Workflow,
    }
}

pub(super) fn outcome(outcome: Outcome) -> types::Outcome {
    match outcome {
        Outcome::Unknown => types::Outcome::Unknown,
        Outcome::Ok => types::Outcome::Ok,
        Outcome::Exception => types::Outcome::Exception,
        Outcome::ExceededCpu => types::Outcome::ExceededCpu,
        Outcome::KillSwitch => types::Outcome::KillSwitch,
        Outcome::DaemonDown => types::Outcome::DaemonDown,
        Outcome::ScriptNotFound => types::Outcome::ScriptNotFound,
        Outcome::Canceled => types::Outcome::Canceled,
        Outcome::ExceededMemory => types::Outcome::ExceededMemory,
        Outcome::LoadShed => types::Outcome::LoadShed,
        Outcome::ResponseStreamDisconnected => types::Outcome::ResponseStreamDisconnected,
        Outcome::InternalError => types::Outcome::InternalError,
        Outcome::ExceededWallTime => types::Outcome::ExceededWallTime,
        Outcome::Aborted => types::Outcome::Aborted,
    }
}

fn exceeded_limit(limit: &trace::ExceededLimit) -> types::ExceededLimit {
    types::ExceededLimit {
        key: limit.key.clone(),
        value: limit.value,
    }
}

fn dropped_entries(dropped: trace::DroppedEntries) -> types::DroppedEntries {
    types::DroppedEntries {
        logs: dropped.logs,
        exceptions: dropped.exceptions,
        diagnostics_channel_events: dropped.diagnostics_channel_events,
    }
}

pub(crate) fn json(value: &trace::Json) -> String {
    value.get().to_owned()
}

pub(super) fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
