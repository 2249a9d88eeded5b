//! Converts the events of a streaming tail to the types of `taffrail:workers/stream-events`.

use crate::instance::state::State;
use crate::interfaces::trace_item::{
    error_info, event_info, execution_model, log_level, milliseconds, outcome, script_version,
};
use crate::interfaces::tracing::span_value;
use crate::interfaces::types::Raw;
use serde_json::Value;
use std::sync::Arc;
use taffrail_trace as trace;
use taffrail_trace::{Diagnostic, LogMessage, ReturnInfo, StreamEvent};
use wasmtime::component::ResourceTableError;

pub(crate) use generated::taffrail::workers::stream_events as types;

pub(crate) mod generated {
    wasmtime::component::bindgen!({
        interfaces: "import taffrail:workers/stream-events@0.2.0;",
        path: "../../wit",
        with: {
            "taffrail:workers/types": crate::interfaces::types::generated::taffrail::workers::types,
            "taffrail:workers/tracing": crate::interfaces::tracing::generated::taffrail::workers::tracing,
        },
    });
}

/// Converts an event, with its resources.
pub(crate) fn stream_item(
    event: &Arc<trace::TailEvent>,
    state: &mut State,
) -> Result<types::StreamItem, ResourceTableError> {
    Ok(types::StreamItem {
        invocation_id: event.invocation_id.to_string(),
        span_context: types::EventSpan {
            trace_id: event.span_context.trace_id.to_string(),
            span_id: event.span_context.span_id.map(|span| span.to_string()),
        },
        timestamp: event.timestamp,
        sequence: event.sequence,
        event: stream_event(event, state)?,
    })
}

fn stream_event(
    event: &Arc<trace::TailEvent>,
    state: &mut State,
) -> Result<types::StreamEvent, ResourceTableError> {
    Ok(match &event.event {
        StreamEvent::Onset(onset) => {
            let script = &onset.script.0;
            types::StreamEvent::Onset(types::Onset {
                script_name: script.script_name.clone(),
                entrypoint: script.entrypoint.clone(),
                script_version: script.script_version.as_ref().map(script_version),
                script_tags: script.script_tags.clone(),
                dispatch_namespace: script.dispatch_namespace.clone(),
                durable_object_id: script.durable_object_id.clone(),
                execution_model: execution_model(script.execution_model),
                span_id: onset.span_id.to_string(),
                info: event_info(&onset.info, || Raw::Onset(Arc::clone(event)), state)?,
            })
        }
        StreamEvent::Log {
            level,
            message,
            error_info: errors,
            truncated,
        } => types::StreamEvent::Log(types::Log {
            level: log_level(*level),
            message: match message {
                LogMessage::Arguments(arguments) => arguments
                    .iter()
                    .map(|argument| argument.get().to_owned())
                    .collect(),
                LogMessage::Text(text) => vec![Value::from(text.as_str()).to_string()],
            },
            error_info: errors.as_ref().map(|slots| {
                slots
                    .iter()
                    .map(|slot| slot.as_ref().map(error_info))
                    .collect()
            }),
            truncated: *truncated,
        }),
        StreamEvent::Exception {
            name,
            message,
            stack,
        } => types::StreamEvent::Exception(types::Exception {
            name: name.clone(),
            message: message.clone(),
            stack: stack.clone(),
        }),
        StreamEvent::DiagnosticChannel { channel, message } => {
            types::StreamEvent::DiagnosticChannel(types::DiagnosticChannel {
                channel: channel.clone(),
                message: message.as_ref().map(|message| message.get().to_owned()),
            })
        }
        StreamEvent::SpanOpen { name, span_id } => types::StreamEvent::SpanOpen(types::SpanOpen {
            name: name.clone().into_owned(),
            span_id: span_id.to_string(),
        }),
        StreamEvent::Attributes { info } => types::StreamEvent::Attributes(
            info.iter()
                .map(|attribute| types::Attribute {
                    name: attribute.name.clone().into_owned(),
                    value: span_value(&attribute.value),
                })
                .collect(),
        ),
        StreamEvent::SpanClose { outcome: ended } => types::StreamEvent::SpanClose(outcome(*ended)),
        StreamEvent::Return { info } => {
            types::StreamEvent::Return(info.map(|ReturnInfo::Fetch { status_code }| status_code))
        }
        StreamEvent::StreamDiagnostic {
            diagnostic: Diagnostic::DroppedEvents { count },
        } => types::StreamEvent::Dropped(*count),
        StreamEvent::Outcome(end) => types::StreamEvent::Outcome(types::OutcomeInfo {
            outcome: outcome(end.outcome),
            cpu_time: milliseconds(end.cpu_time),
            wall_time: milliseconds(end.wall_time),
        }),
    })
}
