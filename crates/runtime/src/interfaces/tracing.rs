//! `taffrail:workers/tracing`: spans of the Worker's own.

use crate::instance::state::State;
use crate::invocation::spans::Span;
use generated::taffrail::workers::tracing;
use taffrail_trace::{Attribute, AttributeValue, SpanId};
use wasmtime::component::{HasSelf, Linker, Resource};

pub(crate) mod generated {
    wasmtime::component::bindgen!({
        interfaces: "import taffrail:workers/tracing@0.2.0;",
        path: "../../wit",
        imports: { default: trappable },
        with: {
            "taffrail:workers/tracing.span": crate::interfaces::tracing::OpenSpan,
        },
    });
}

/// A span that a component has begun.
#[expect(unreachable_pub, reason = "the generated code re-exports it as `pub`")]
pub struct OpenSpan {
    span: Span,
    /// The span that is innermost again once this one ends.
    outer: SpanId,
    has_failed: bool,
}

pub(super) fn add_to_linker<T: 'static>(
    linker: &mut Linker<T>,
    state: fn(&mut T) -> &mut State,
) -> wasmtime::Result<()> {
    tracing::add_to_linker::<_, HasSelf<State>>(linker, state)
}

impl tracing::Host for State {
    fn current(&mut self) -> wasmtime::Result<tracing::SpanContext> {
        let invocation = self.invocation();
        Ok(tracing::SpanContext {
            trace_id: invocation.span.trace_id.to_string(),
            span_id: invocation.current_span().to_string(),
            sampled: invocation.span.sampled,
        })
    }
}

impl tracing::HostSpan for State {
    fn new(&mut self, name: String) -> wasmtime::Result<Resource<OpenSpan>> {
        let invocation = self.invocation();
        let outer = invocation.current_span();
        let span = invocation.begin_span(outer, name);
        invocation.enter_span(Some(span.id()));
        Ok(self.table.push(OpenSpan {
            span,
            outer,
            has_failed: false,
        })?)
    }

    fn set_attribute(
        &mut self,
        span: Resource<OpenSpan>,
        name: String,
        value: tracing::SpanValue,
    ) -> wasmtime::Result<()> {
        let open = self.table.get_mut(&span)?;
        open.span
            .set(|| vec![Attribute::new(name, attribute(value))]);
        Ok(())
    }

    fn failed(&mut self, span: Resource<OpenSpan>) -> wasmtime::Result<()> {
        self.table.get_mut(&span)?.has_failed = true;
        Ok(())
    }

    fn is_recorded(&mut self, _: Resource<OpenSpan>) -> wasmtime::Result<bool> {
        Ok(self.invocation().is_traced())
    }

    fn drop(&mut self, span: Resource<OpenSpan>) -> wasmtime::Result<()> {
        let OpenSpan {
            span,
            outer,
            has_failed,
        } = self.table.delete(span)?;
        let invocation = self.invocation();
        if invocation.current_span() == span.id() {
            invocation.enter_span(Some(outer));
        }
        span.end(!has_failed);
        Ok(())
    }
}

fn attribute(value: tracing::SpanValue) -> AttributeValue {
    match value {
        tracing::SpanValue::Text(text) => AttributeValue::Text(text),
        tracing::SpanValue::Integer(number) => AttributeValue::Integer(number),
        tracing::SpanValue::Number(number) => AttributeValue::Number(number),
        tracing::SpanValue::Boolean(boolean) => AttributeValue::Boolean(boolean),
    }
}

/// Returns the value of an attribute as a component receives it.
pub(crate) fn span_value(value: &AttributeValue) -> tracing::SpanValue {
    match value {
        AttributeValue::Text(text) => tracing::SpanValue::Text(text.clone()),
        AttributeValue::Integer(number) => tracing::SpanValue::Integer(*number),
        AttributeValue::Number(number) => tracing::SpanValue::Number(*number),
        AttributeValue::Boolean(boolean) => tracing::SpanValue::Boolean(*boolean),
    }
}
