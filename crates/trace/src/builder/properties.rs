//! What holds for every sequence of calls.

use super::tests::{builder, diagnostic, exception, finish, recorded_request};
use super::*;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Call {
    Log(Vec<usize>, Option<usize>),
    Exception(usize, Option<usize>),
    Diagnostic(usize),
}

fn calls() -> impl Strategy<Value = Vec<Call>> {
    let length = || prop_oneof![8 => 0..3000_usize, 1 => 0..150_000_usize];
    let call = prop_oneof![
        (
            proptest::collection::vec(length(), 0..4),
            proptest::option::of(length())
        )
            .prop_map(|(arguments, stack)| Call::Log(arguments, stack)),
        (length(), proptest::option::of(length()))
            .prop_map(|(message, stack)| Call::Exception(message, stack)),
        length().prop_map(Call::Diagnostic),
    ];
    proptest::collection::vec(call, 0..300)
}

fn apply(builder: &mut TraceBuilder, call: &Call) {
    match call {
        Call::Log(arguments, stack) => {
            let arguments = arguments.iter().map(|&length| "x".repeat(length));
            let message = arguments.map(|text| to_raw_value(&text).unwrap()).collect();
            let errors = stack.map(|length| {
                vec![Some(ErrorInfo {
                    name: "E".to_owned(),
                    message: "m".to_owned(),
                    stack: Some("s".repeat(length)),
                })]
            });
            builder.log(2, LogLevel::Log, message, errors);
        }
        Call::Exception(message, stack) => {
            let stack = stack.map(|length| "s".repeat(length));
            builder.exception(exception("é".repeat(*message), stack.as_deref()));
        }
        Call::Diagnostic(length) => {
            builder.diagnostics_channel_event(diagnostic("ch", &"x".repeat(*length)));
        }
    }
}

/// The entries of one kind that an item kept: how many, what they cost, and how
/// many markers follow them.
struct Kept {
    entries: usize,
    markers: usize,
    bytes: usize,
}

fn kept<T>(entries: &[T], is_marker: impl Fn(&T) -> bool, bytes: impl Fn(&T) -> usize) -> Kept {
    let markers = entries.iter().filter(|&entry| is_marker(entry)).count();
    let (others, last) = entries.split_at(entries.len() - markers);
    assert!(last.iter().all(is_marker));
    Kept {
        entries: others.len(),
        markers,
        bytes: others.iter().map(bytes).sum(),
    }
}

fn kept_of_each_kind(item: &TraceItem) -> [Kept; 3] {
    [
        kept(
            &item.logs,
            |log| log.level == LogLevel::Warn,
            |log| {
                let errors = log.error_info.iter().flatten().flatten();
                let error_bytes = errors.map(|e| 2 + e.stack.as_ref().map_or(0, String::len));
                let text = serde_json::to_string(&log.message).unwrap();
                80 + text.len() + error_bytes.sum::<usize>()
            },
        ),
        kept(
            &item.exceptions,
            |exception| exception.message.starts_with("Trace resource limit"),
            |e| 128 + 5 + e.message.len() + e.stack.as_ref().map_or(0, String::len),
        ),
        kept(
            &item.diagnostics_channel_events,
            |event| event.channel == "workerd.LimitExceeded",
            |event| 56 + 2 + event.message.as_ref().unwrap().get().len(),
        ),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_is_recorded_stays_within_the_budget(calls in calls()) {
        let mut builder = builder();
        for call in &calls {
            apply(&mut builder, call);
        }
        let item = finish(builder);

        let given = [
            calls.iter().filter(|call| matches!(call, Call::Log(..))).count(),
            calls.iter().filter(|call| matches!(call, Call::Exception(..))).count(),
            calls.iter().filter(|call| matches!(call, Call::Diagnostic(..))).count(),
        ];
        let dropped = item.dropped.unwrap_or_default();
        let dropped = [dropped.logs, dropped.exceptions, dropped.diagnostics_channel_events];
        let kept = kept_of_each_kind(&item);
        for ((kept, given), dropped) in kept.iter().zip(given).zip(dropped) {
            prop_assert_eq!(kept.entries as u64 + dropped, given as u64);
            prop_assert_eq!(kept.markers, usize::from(dropped > 0));
        }

        let bytes: usize = kept.iter().map(|kept| kept.bytes).sum();
        prop_assert!(request_bytes(&recorded_request()) + bytes <= MAX_TRACE_BYTES);
        prop_assert_eq!(item.truncated, dropped.iter().any(|&count| count > 0));
        prop_assert_eq!(item.truncated, item.dropped.is_some());
    }
}
