//! How much memory an item takes.

use crate::item::{ErrorInfo, EventInfo, TraceItem};
use crate::json::Json;
use crate::span::{Attribute, Span};
use std::mem::size_of;

/// What one allocation costs beside its bytes.
const ALLOCATION: usize = 16;

/// The strings of every item that are short: its ids, the name of its Worker.
const IDENTITY: usize = 256;

/// The memory of an item, vectors and allocations included. It is made to bound
/// what waits, so it need not be exact, but no item may be able to take a
/// multiple of it.
pub(crate) fn bytes(item: &TraceItem) -> usize {
    let logs = item.logs.iter().map(|log| {
        let errors = log.error_info.iter().flatten();
        size_of_val(log) + jsons(&log.message) + errors.map(error).sum::<usize>()
    });
    let exceptions = item.exceptions.iter().map(|exception| {
        let stack = exception.stack.as_ref().map_or(0, |stack| text(stack));
        size_of_val(exception) + text(&exception.name) + text(&exception.message) + stack
    });
    let diagnostics = item.diagnostics_channel_events.iter().map(|event| {
        size_of_val(event) + text(&event.channel) + event.message.as_ref().map_or(0, json)
    });
    size_of::<TraceItem>()
        + IDENTITY
        + item.event.as_ref().map_or(0, event)
        + logs.sum::<usize>()
        + exceptions.sum::<usize>()
        + diagnostics.sum::<usize>()
        + item.spans.iter().map(span).sum::<usize>()
        + (item.span_attributes.iter().map(Attribute::held_bytes)).sum::<usize>()
}

fn span(span: &Span) -> usize {
    let attributes = span.attributes.iter().map(Attribute::held_bytes);
    size_of_val(span) + text(&span.name) + attributes.sum::<usize>()
}

pub(crate) fn event(event: &EventInfo) -> usize {
    match event {
        EventInfo::Fetch { request, .. } => {
            let request = request.unredacted();
            let headers = request.headers.iter();
            text(&request.url)
                + request.cf.as_ref().map_or(0, json)
                + headers
                    .map(|(name, value)| size_of::<(String, String)>() + text(name) + text(value))
                    .sum::<usize>()
        }
        EventInfo::Rpc { rpc_method } => text(rpc_method),
        EventInfo::Scheduled { cron, .. } => text(cron),
        EventInfo::Queue { queue, .. } => text(queue),
        EventInfo::Email {
            mail_from, rcpt_to, ..
        } => text(mail_from) + text(rcpt_to),
        EventInfo::Tail { consumed_events } => consumed_events
            .iter()
            .map(|event| size_of_val(event) + event.script_name.as_deref().map_or(0, text))
            .sum(),
        EventInfo::Alarm { .. }
        | EventInfo::HibernatableWebSocket { .. }
        | EventInfo::Connect {}
        | EventInfo::Custom {} => 0,
    }
}

pub(crate) fn jsons(values: &[Json]) -> usize {
    values.iter().map(json).sum()
}

fn json(value: &Json) -> usize {
    size_of_val(value) + text(value.get())
}

pub(crate) fn error(error: &Option<ErrorInfo>) -> usize {
    let texts = error.as_ref().map_or(0, |error| {
        let stack = error.stack.as_ref().map_or(0, |stack| text(stack));
        text(&error.name) + text(&error.message) + stack
    });
    size_of_val(error) + texts
}

fn text(text: &str) -> usize {
    ALLOCATION + text.len()
}
