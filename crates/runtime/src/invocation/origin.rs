//! The origin of an event.

use crate::delivery::ItemBatch;
use crate::invocation::id::InvocationId;
use crate::invocation::session;
use crate::settings::egress::Egress;
use crate::settings::{Limits, ObjectId, Target};
use serde_json::{Map, Value};
use std::sync::Arc;
use taffrail_trace::SpanContext;

/// Describes the caller of a Worker, and how the call reached it.
#[derive(Clone, Default)]
pub(crate) struct Origin {
    /// The caller's reference to this Worker, if the caller is a Worker.
    pub(crate) target: Option<Arc<Target>>,
    /// The invocation of the caller.
    pub(crate) parent: Option<Parent>,
    /// The span that caused the event.
    pub(crate) trace: Option<TraceParent>,
    /// The length of the chain of calls and tails that led here.
    pub(crate) depth: u32,
    /// How much of `depth` is only claimed by a client. This does not count for the tails:
    /// otherwise a client could keep its items from them.
    pub(crate) claimed: u32,
    /// A stream for the records as they are made, for a caller that observes.
    pub(crate) live: Option<session::Sender>,
    /// The options of the dispatcher that called.
    pub(crate) dispatch_options: Option<DispatchOptions>,
    /// The parameters of an outbound Worker, which appear in its `env`.
    pub(crate) parameters: Option<Arc<Map<String, Value>>>,
}

/// The invocation that called another Worker.
#[derive(Clone, Copy)]
pub(crate) struct Parent {
    pub(crate) invocation: InvocationId,
    /// The first invocation of the request.
    pub(crate) request: InvocationId,
    /// The share of requests that are kept as logs, as the Worker of that invocation set it.
    pub(crate) log_sampling_rate: f64,
}

/// The span that caused an event.
#[derive(Clone)]
pub(crate) struct TraceParent {
    pub(crate) span: SpanContext,
    /// The `tracestate` that belongs to the trace.
    pub(crate) state: Option<Arc<str>>,
    /// Whether it came with a request from outside, with no recorded span in between.
    pub(crate) is_received: bool,
}

impl Origin {
    pub(crate) fn entrypoint(&self) -> Option<&str> {
        self.target.as_ref()?.entrypoint.as_deref()
    }

    /// Returns the span of the invocation. It is part of the trace of its cause. Otherwise it
    /// begins one, which is sampled at the rate of its Worker.
    pub(crate) fn span(&self, id: InvocationId, rate: f64) -> SpanContext {
        let span_id = id.span_id();
        match &self.trace {
            Some(TraceParent {
                span, is_received, ..
            }) => SpanContext {
                span_id,
                // The Worker with which a request begins decides for all that it calls.
                sampled: span.sampled && (!is_received || span.trace_id.is_sampled(rate)),
                ..*span
            },
            None => {
                let trace_id = id.trace_id();
                SpanContext {
                    trace_id,
                    span_id,
                    sampled: trace_id.is_sampled(rate),
                }
            }
        }
    }

    /// Returns the Durable Object that is called, if it is one.
    pub(crate) fn object(&self) -> Option<&ObjectId> {
        self.target.as_ref()?.object.as_ref()
    }
}

/// The options of a dispatcher for one call of a user Worker.
#[derive(Clone)]
pub(crate) struct DispatchOptions {
    pub(crate) limits: Limits,
    pub(crate) egress: Option<Egress>,
    /// The parameters for the outbound Worker, which appear in its `env`.
    pub(crate) parameters: Arc<Map<String, Value>>,
    /// The batch that receives the item, in addition to the user Worker's own tails.
    pub(crate) batch: Arc<ItemBatch>,
}
