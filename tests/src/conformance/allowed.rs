//! Differences that are meant, each with its reason.

use super::compare::Difference;
use super::recording::Recording;
use serde_json::Value;

/// What a difference is judged by.
pub(super) struct Place<'a> {
    /// The scenario.
    pub(super) recording: &'a Recording,
    /// The item in question as recorded, null outside of items.
    pub(super) recorded: &'a Value,
    /// The item in question as it came.
    pub(super) got: &'a Value,
}

impl<'a> Place<'a> {
    /// A place that is not in an item.
    pub(super) fn outside(recording: &'a Recording) -> Self {
        Self {
            recording,
            recorded: &Value::Null,
            got: &Value::Null,
        }
    }
}

struct Allowed {
    reason: &'static str,
    applies: fn(&Difference, &Place<'_>) -> bool,
}

/// The whole list.
const ALLOWED: [Allowed; 9] = [
    Allowed {
        reason: "a field of Taffrail's own",
        applies: |difference, _| {
            difference.recorded.is_none()
                && OWN_FIELDS.contains(&difference.path.rsplit('.').next().unwrap_or_default())
                && shape(&difference.path).matches('.').count() == 1
        },
    },
    Allowed {
        reason: "rejections that nobody handles and `reportError` are recorded",
        applies: |difference, place| {
            shape(&difference.path) == "tail_calls[][].exceptions[]"
                && difference.recorded.is_none()
                && place.recorded["outcome"] == place.got["outcome"]
                && !is_among(&place.recorded["exceptions"], difference.got.as_ref())
        },
    },
    Allowed {
        reason: "a method called by RPC that throws is recorded",
        applies: |difference, place| {
            place.recorded["event"].get("rpcMethod").is_some()
                && match shape(&difference.path).as_str() {
                    "tail_calls[][].outcome" => {
                        difference.recorded == Some("ok".into())
                            && difference.got == Some("exception".into())
                    }
                    "tail_calls[][].exceptions[]" => difference.recorded.is_none(),
                    _ => false,
                }
        },
    },
    Allowed {
        reason: "a callee's error has the stack of its call, also where nobody awaits it",
        applies: |difference, place| {
            let items = place.recording.items().unwrap_or_default();
            let thrown = items
                .iter()
                .filter_map(|item| item["exceptions"].as_array());
            let mut thrown = thrown.flatten().filter(|other| !other["stack"].is_null());
            let own = place.got["exceptions"].as_array().into_iter().flatten();
            let mut messages = own.map(|exception| &exception["message"]);
            shape(&difference.path) == "tail_calls[][].exceptions[].stack"
                && difference.recorded.is_none()
                && difference.got == Some("<frames>".into())
                && thrown.any(|other| messages.any(|message| *message == other["message"]))
        },
    },
    Allowed {
        reason: "a dynamic Worker that cannot be started has an item",
        applies: |difference, place| {
            let items = place.recording.items().unwrap_or_default();
            let told = Value::from(items).to_string();
            difference.recorded.is_none()
                && difference.path.starts_with("tail_calls of ")
                && NOT_STARTED.iter().any(|words| told.contains(words))
        },
    },
    Allowed {
        reason: "the limits of a dynamic Worker are enforced",
        applies: |_, place| {
            let mut sources = place.recording.sources.values();
            sources.any(|source| source.contains("limits: {") && source.contains("cpuMs"))
        },
    },
    Allowed {
        reason: "a duration that the Worker measured",
        applies: |difference, place| {
            let measures = |source: &String| {
                source.contains("Date.now() -") || source.contains("performance.now(")
            };
            let numbers = number(difference.recorded.as_ref()).zip(number(difference.got.as_ref()));
            place.recording.sources.values().any(measures)
                && numbers.is_some_and(|(recorded, got)| (recorded - got).abs() < JITTER_MS)
        },
    },
    Allowed {
        reason: "the engine has no WebAssembly of its own",
        applies: |difference, place| {
            let exceptions = place.got["exceptions"].as_array().into_iter().flatten();
            let mut messages = exceptions.map(|exception| &exception["message"]);
            shape(&difference.path).starts_with("tail_calls[][].exceptions[].")
                && messages.any(|message| message == "WebAssembly is not defined")
        },
    },
    Allowed {
        reason: "the wording of V8",
        applies: |difference, place| {
            let is_text = |value: &Option<Value>| value.as_ref().is_some_and(Value::is_string);
            let recorded = difference.recorded.as_ref().and_then(Value::as_str);
            let mut said = V8_WORDS
                .iter()
                .filter(|words| recorded.is_some_and(|text| text.contains(*words)));
            let sources = &place.recording.sources;
            is_text(&difference.got)
                && said.any(|words| !sources.values().any(|source| source.contains(words)))
        },
    },
];

/// Fields that workerd's items do not have.
const OWN_FIELDS: [&str; 7] = [
    "dropped",
    "exceededLimit",
    "invocationId",
    "lostItems",
    "parentInvocationId",
    "peakMemory",
    "requestId",
];

/// What the maker of a dynamic Worker is told that cannot be started.
const NOT_STARTED: [&str; 2] = ["Failed to start Worker:", "Worker has no such entrypoint:"];

/// By how much durations differ on a busy machine.
const JITTER_MS: f64 = 1000.0;

/// What V8 says when it raises an error, as far as no other engine says so.
const V8_WORDS: [&str; 22] = [
    "Cannot read properties of",
    "Cannot set properties of",
    "Cannot access '",
    "Cannot convert ",
    "Cannot mix BigInt",
    "Class constructor ",
    "Class extends value",
    "Converting circular structure",
    "Do not know how to serialize",
    "Assignment to constant variable",
    "Invalid array length",
    "Invalid time value",
    "Invalid regular expression",
    "Maximum call stack",
    "Expected property name",
    "URI malformed",
    "Unexpected end of",
    "Unexpected token",
    " is not a constructor",
    " is not a function",
    " is not defined",
    " is not iterable",
];

/// Why a difference is meant, if it is.
pub(super) fn reason(difference: &Difference, place: &Place<'_>) -> Option<&'static str> {
    let mut all = ALLOWED.iter();
    all.find(|allowed| (allowed.applies)(difference, place))
        .map(|allowed| allowed.reason)
}

/// A path without the numbers in it.
fn shape(path: &str) -> String {
    let mut shape = String::new();
    let mut inside = false;
    for character in path.chars() {
        inside = match character {
            '[' => true,
            ']' => false,
            _ if inside => continue,
            _ => false,
        };
        shape.push(character);
    }
    shape
}

fn is_among(recorded: &Value, exception: Option<&Value>) -> bool {
    let message = |exception: &Value| exception["message"].clone();
    let mut recorded = recorded.as_array().into_iter().flatten();
    exception.is_some_and(|exception| recorded.any(|other| message(other) == message(exception)))
}

fn number(value: Option<&Value>) -> Option<f64> {
    value?.as_f64().filter(|number| *number >= 0.0)
}
