//! What can be seen of a scenario from outside.

use super::answer::Answer;
use serde::Deserialize;
use serde_json::Value;

/// What a scenario led to, on workerd or on Taffrail.
#[derive(Clone, Debug)]
pub(super) struct Observed {
    /// In the order of the requests.
    pub(super) answers: Vec<Answer>,
    /// In the order of arrival.
    pub(super) tail_calls: Vec<TailCall>,
    /// The events of streaming tails, in the order of arrival.
    pub(super) stream_events: Vec<StreamEvent>,
    /// Other requests to the recorder, in the order of arrival.
    pub(super) marks: Vec<Value>,
}

/// One call of a tail handler.
#[derive(Clone, Debug)]
pub(super) struct TailCall {
    /// The Tail Worker.
    pub(super) worker: String,
    /// The number of arguments, null if it was not reported.
    pub(super) argc: Value,
    /// Whether the first was an array, null if it was not reported.
    pub(super) is_array: Value,
    /// `ctx.props`, null if it was not reported.
    pub(super) props: Value,
    /// What else the handler reported of itself.
    pub(super) more: Value,
    /// `JSON.stringify` of the first.
    pub(super) events: Value,
}

/// One event that a streaming tail received.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct StreamEvent {
    /// The streaming tail.
    pub(super) by: String,
    /// `JSON.stringify` of it.
    pub(super) event: Value,
}
