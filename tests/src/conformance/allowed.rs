//! Differences that are meant, each with its reason.

use super::compare::Difference;
use super::recording::Recording;
use super::requests::{REDACTED, fits as fits_redacted};
use serde_json::{Value, json};

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
const ALLOWED: [Allowed; 11] = [
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
        applies: |difference, place| {
            let path = shape(&difference.path);
            let mut got = difference.got.clone().unwrap_or_default();
            if let Some(entry) = got.as_object_mut() {
                entry.remove("timestamp");
            }
            let recorded = difference.recorded.clone().unwrap_or_default();
            let mut sources = place.recording.sources.values();
            sources.any(|source| source.contains("cpuMs"))
                && exceeded_cpu().contains(&(path.as_str(), recorded, got))
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
        reason: "what a streaming tail sends before it fails is sent",
        applies: |difference, place| {
            let items = place.recording.items().unwrap_or_default();
            let mut failed = items.iter().filter(|item| {
                item["outcome"] == "exception" && item["event"]["consumedEvents"] == json!([])
            });
            let got = difference.got.as_ref().and_then(Value::as_array);
            difference.recorded.is_none()
                && difference.path.starts_with("stream_events of ")
                && place.recording.stream_events.is_empty()
                && got.is_some_and(|events| events.len() == 1)
                && failed.next().is_some()
        },
    },
    Allowed {
        reason: "streaming tails see requests redacted, as other tails do",
        applies: |difference, _| {
            let text = |value: &Option<Value>| value.as_ref()?.as_str().map(str::to_owned);
            let texts = text(&difference.recorded).zip(text(&difference.got));
            texts.is_some_and(|(recorded, got)| match shape(&difference.path).as_str() {
                "stream_events[][].event.info.url" => {
                    recorded != got && fits_redacted(&recorded.replace("<id>", "id"), &got)
                }
                "stream_events[][].event.info.headers[].value" => got == REDACTED,
                _ => false,
            })
        },
    },
    Allowed {
        reason: "the wording of V8",
        applies: |difference, place| {
            let text = |value: &Option<Value>| value.as_ref()?.as_str().map(str::to_owned);
            let texts = text(&difference.recorded).zip(text(&difference.got));
            let mut sources = place.recording.sources.values();
            texts.is_some_and(|(recorded, got)| {
                WORDINGS.iter().any(|(v8, own)| {
                    let begins = v8.split('*').next().unwrap_or_default();
                    !sources.any(|source| source.contains(begins))
                        && differ_in(&recorded, v8, &got, own)
                })
            })
        },
    },
];

/// Fields that workerd's items do not have.
const OWN_FIELDS: [&str; 11] = [
    "dropped",
    "exceededLimit",
    "invocationId",
    "lostItems",
    "parentInvocationId",
    "parentSpanId",
    "peakMemory",
    "requestId",
    "spanId",
    "spans",
    "traceId",
];

/// What the maker of a dynamic Worker is told that cannot be started.
const NOT_STARTED: [&str; 2] = ["Failed to start Worker:", "Worker has no such entrypoint:"];

/// By how much durations differ on a busy machine.
const JITTER_MS: f64 = 1000.0;

/// What becomes of a dynamic Worker that uses up the CPU time that it was given,
/// and of its caller: the place, and what stands there on workerd, which enforces
/// no such limit, and here.
fn exceeded_cpu() -> [(&'static str, Value, Value); 6] {
    const SAID: &str = "Worker exceeded CPU time limit.";
    [
        (
            "response_seen_by_client[].body",
            json!("done"),
            json!(format!("limited: {SAID}")),
        ),
        (
            "tail_calls[][].event.response",
            json!({ "status": 200 }),
            json!(null),
        ),
        (
            "tail_calls[][].exceptions[]",
            json!(null),
            json!({ "name": "Error", "message": SAID }),
        ),
        ("tail_calls[][].outcome", json!("ok"), json!("exceededCpu")),
        (
            "tail_calls[][].logs[]",
            json!(null),
            json!({ "level": "log", "message": ["caught", SAID] }),
        ),
        // The start of a script counts as well, and may use all of the 10 ms.
        (
            "tail_calls[][].logs[]",
            json!({ "level": "log", "message": ["begin"], "timestamp": "<clock>" }),
            json!(null),
        ),
    ]
}

/// How V8 and SpiderMonkey say that the same has failed. A star is for what
/// neither can know.
const WORDINGS: [(&str, &str); 22] = [
    (
        "Cannot read properties of * (reading '*')",
        "can't access property \"*\" of *",
    ),
    (
        "Cannot read properties of * (reading '*')",
        "can't access property \"*\", *",
    ),
    ("Cannot read properties of * (reading '*')", "* is null"),
    (
        "Cannot read properties of * (reading '*')",
        "* is undefined",
    ),
    (
        "Cannot set properties of * (setting '*')",
        "can't access property \"*\" of *",
    ),
    (
        "Cannot set properties of * (setting '*')",
        "can't access property \"*\", *",
    ),
    (
        "Cannot assign to read only property '*' of object '*'",
        "\"*\" is read-only",
    ),
    (
        "Cannot access '*' before initialization",
        "can't access lexical declaration '*' before initialization",
    ),
    (
        "Cannot convert undefined or null to object",
        "can't convert * to object",
    ),
    (
        "Cannot mix BigInt and other types, use explicit conversions",
        "can't convert BigInt to number",
    ),
    (
        "Class constructor * cannot be invoked without 'new'",
        "class constructors must be invoked with 'new'",
    ),
    (
        "Class extends value * is not a constructor or null",
        "class heritage * is not an object or null",
    ),
    (
        "Converting circular structure to JSON",
        "cyclic object value",
    ),
    (
        "Do not know how to serialize a BigInt",
        "BigInt value can't be serialized in JSON",
    ),
    (
        "Assignment to constant variable.",
        "invalid assignment to const '*'",
    ),
    ("Invalid array length", "invalid array length"),
    ("Invalid time value", "invalid date"),
    ("Maximum call stack size exceeded", "too much recursion"),
    ("URI malformed", "malformed URI sequence"),
    (
        "Expected property name or '}' in JSON at position *",
        "JSON.parse: *",
    ),
    (
        "Unexpected end of JSON input",
        "JSON.parse: unexpected end of data at *",
    ),
    // esbuild reads what a dynamic Worker is made of.
    (
        "SyntaxError: Unexpected end of input",
        "SyntaxError: Unexpected end of file",
    ),
];

/// Whether two texts are the same but for one sentence, each with its own words.
fn differ_in(recorded: &str, said: &str, got: &str, own: &str) -> bool {
    let begins = said.split('*').next().unwrap_or_default();
    let Some((before, from)) = recorded.find(begins).map(|at| recorded.split_at(at)) else {
        return false;
    };
    let ends = from.char_indices().map(|(at, _)| at).chain([from.len()]);
    let mut ways = ends.map(|end| from.split_at(end));
    ways.any(|(sentence, after)| {
        let rest = got.strip_prefix(before);
        let other = rest.and_then(|rest| rest.strip_suffix(after));
        fits(said, sentence) && other.is_some_and(|other| fits(own, other))
    })
}

/// Whether a line is what a pattern with stars stands for.
fn fits(pattern: &str, line: &str) -> bool {
    let Some((begins, rest)) = pattern.split_once('*') else {
        return pattern == line;
    };
    let Some(after) = line.strip_prefix(begins) else {
        return false;
    };
    let ends = after.char_indices().map(|(at, _)| at).chain([after.len()]);
    let mut ends = ends.take_while(|end| !after[..*end].contains('\n'));
    ends.any(|end| fits(rest, &after[end..]))
}

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

#[cfg(test)]
mod tests {
    use super::differ_in;

    #[test]
    fn only_a_sentence_may_differ_and_only_as_the_engines_do() {
        let (v8, own) = ("Cannot read * (reading '*')", "can't access \"*\" of *");
        let recorded = "caught Cannot read null (reading 'a')\n<frames>";
        for (got, is_meant) in [
            ("caught can't access \"a\" of null\n<frames>", true),
            ("thrown can't access \"a\" of null\n<frames>", false),
            ("caught can't access \"a\" of null", false),
            ("caught something else\n<frames>", false),
        ] {
            assert_eq!(differ_in(recorded, v8, got, own), is_meant, "{got}");
        }
    }
}
