//! `wasi:otel`: spans and log records that a component makes with an OpenTelemetry library.

use crate::instance::state::State;
use crate::interfaces::console::json_or_string;
use crate::invocation::Invocation;
use crate::invocation::ended_span::MAX_ATTRIBUTES;
use generated::wasi::clocks::wall_clock::Datetime;
use generated::wasi::otel::{logs, tracing, types};
use serde_json::value::to_raw_value;
use serde_json::{Map, Value};
use std::str::FromStr;
use taffrail_trace::{
    Attribute, AttributeValue, EpochUs, LogLevel, Outcome, Span, SpanId, span_name,
};
use wasmtime::component::{HasSelf, Linker};

mod generated {
    wasmtime::component::bindgen!({
        interfaces: "
            import wasi:otel/tracing@0.2.0-rc.2;
            import wasi:otel/logs@0.2.0-rc.2;
        ",
        path: "../../wit",
        imports: { default: trappable },
        additional_derives: [PartialEq],
    });
}

/// The interface with the function of an earlier draft of this version.
const TRACING: &str = "wasi:otel/tracing@0.2.0-rc.2";

pub(super) fn add_to_linker<T: 'static>(
    linker: &mut Linker<T>,
    state: fn(&mut T) -> &mut State,
) -> wasmtime::Result<()> {
    types::add_to_linker::<_, HasSelf<State>>(linker, state)?;
    tracing::add_to_linker::<_, HasSelf<State>>(linker, state)?;
    logs::add_to_linker::<_, HasSelf<State>>(linker, state)?;
    // The name of `current-span-context` in components that were built with the draft.
    let mut interface = linker.instance(TRACING)?;
    interface.func_wrap("outer-span-context", move |mut store, ()| {
        Ok((tracing::Host::current_span_context(state(
            store.data_mut(),
        ))?,))
    })
}

impl types::Host for State {}

impl tracing::Host for State {
    fn on_start(&mut self, context: tracing::SpanContext) -> wasmtime::Result<()> {
        if let Ok(span) = SpanId::from_str(&context.span_id) {
            self.invocation().enter_span(Some(span));
        }
        Ok(())
    }

    fn on_end(&mut self, span: tracing::SpanData) -> wasmtime::Result<()> {
        let invocation = self.invocation();
        let dropped = u64::from(span.dropped_attributes)
            + span.attributes.len().saturating_sub(MAX_ATTRIBUTES) as u64;
        // Without an id it is not a span.
        if let Some(span) = recorded(&invocation, span) {
            if invocation.current_span() == span.span_id {
                invocation.enter_span(Some(span.parent_span_id));
            }
            invocation.record_span(span, dropped);
        }
        Ok(())
    }

    fn current_span_context(&mut self) -> wasmtime::Result<tracing::SpanContext> {
        let invocation = self.invocation();
        let trace_flags = match invocation.span.sampled {
            true => tracing::TraceFlags::SAMPLED,
            false => tracing::TraceFlags::empty(),
        };
        Ok(tracing::SpanContext {
            trace_id: invocation.span.trace_id.to_string(),
            span_id: invocation.current_span().to_string(),
            trace_flags,
            is_remote: false,
            trace_state: Vec::new(),
        })
    }
}

impl logs::Host for State {
    fn on_emit(&mut self, record: logs::LogRecord) -> wasmtime::Result<()> {
        let level = level(record.severity_number);
        let invocation = self.invocation();
        let texts = record.body.into_iter().collect::<Vec<_>>();
        if invocation.refuses_log(&texts) {
            return Ok(());
        }
        let mut message = texts
            .into_iter()
            .map(json_or_string)
            .collect::<Result<Vec<_>, _>>()?;
        let attributes = record.attributes.unwrap_or_default();
        if !attributes.is_empty() {
            let mut members = Map::new();
            for attribute in attributes {
                let value = serde_json::from_str(&attribute.value);
                members.insert(
                    attribute.key,
                    value.unwrap_or(Value::String(attribute.value)),
                );
            }
            message.push(to_raw_value(&members)?);
        }
        invocation.log(level, message, None);
        Ok(())
    }
}

/// The level of a severity number of OpenTelemetry. 9 to 12 are `info`, and so is no number.
fn level(severity: Option<u8>) -> LogLevel {
    match severity.unwrap_or(9) {
        0..=8 => LogLevel::Debug,
        9..=12 => LogLevel::Info,
        13..=16 => LogLevel::Warn,
        17.. => LogLevel::Error,
    }
}

/// Returns a span of a component as it is recorded: as a part of the invocation's trace.
fn recorded(invocation: &Invocation, span: tracing::SpanData) -> Option<Span> {
    let context = span.span_context;
    let span_id = SpanId::from_str(&context.span_id).ok()?;
    let own = invocation.span;
    // Without a parent it begins a trace in the view of the component. It is a part of the
    // invocation, and so is all that it has as its parts.
    let parent = SpanId::from_str(&span.parent_span_id).ok();
    let parent = parent.filter(|parent| *parent != span_id);
    let attributes = span.attributes.into_iter().take(MAX_ATTRIBUTES);
    Some(Span {
        span_id,
        parent_span_id: parent.unwrap_or(own.span_id),
        name: span_name(span.name.into()),
        start: microseconds(span.start_time),
        end: microseconds(span.end_time),
        outcome: match span.status {
            tracing::Status::Unset | tracing::Status::Ok => Outcome::Ok,
            tracing::Status::Error(_) => Outcome::Exception,
        },
        attributes: attributes
            .map(|attribute| Attribute::new(attribute.key, value(attribute.value)))
            .collect(),
    })
}

/// Returns the value of an attribute, which is JSON. Lists and objects stay as text.
fn value(text: String) -> AttributeValue {
    match serde_json::from_str(&text) {
        Ok(Value::String(text)) => AttributeValue::Text(text),
        Ok(Value::Bool(boolean)) => AttributeValue::Boolean(boolean),
        Ok(Value::Number(number)) => match number.as_i64() {
            Some(integer) => AttributeValue::Integer(integer),
            None => AttributeValue::Number(number.as_f64().unwrap_or_default()),
        },
        Ok(Value::Null | Value::Array(_) | Value::Object(_)) | Err(_) => AttributeValue::Text(text),
    }
}

fn microseconds(time: Datetime) -> EpochUs {
    let seconds = time.seconds.saturating_mul(1_000_000);
    seconds.saturating_add(u64::from(time.nanoseconds / 1000))
}
