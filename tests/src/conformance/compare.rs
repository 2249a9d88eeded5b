//! Where two JSON values differ.

use serde_json::{Map, Value};

/// One place at which a recording and a run differ.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Difference {
    /// The place, such as `tail_calls[0][0].logs[1].message[0]`.
    pub(super) path: String,
    /// What the recording has there, if anything.
    pub(super) recorded: Option<Value>,
    /// What the run has there, if anything.
    pub(super) got: Option<Value>,
}

/// All places below `path` at which two values differ.
pub(super) fn differences(path: &str, recorded: &Value, got: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    compare(path.to_owned(), Some(recorded), Some(got), &mut found);
    found
}

fn compare(
    path: String,
    recorded: Option<&Value>,
    got: Option<&Value>,
    found: &mut Vec<Difference>,
) {
    match (recorded, got) {
        (Some(Value::Object(recorded)), Some(Value::Object(got))) => {
            objects(&path, recorded, got, found);
        }
        (Some(Value::Array(recorded)), Some(Value::Array(got))) => {
            arrays(&path, recorded, got, found);
        }
        (Some(Value::String(recorded)), Some(Value::String(got))) if reordered(recorded, got) => {}
        (recorded, got) if recorded == got => {}
        (recorded, got) => found.push(Difference {
            path,
            recorded: recorded.cloned(),
            got: got.cloned(),
        }),
    }
}

fn objects(
    path: &str,
    recorded: &Map<String, Value>,
    got: &Map<String, Value>,
    found: &mut Vec<Difference>,
) {
    let added = got.keys().filter(|key| !recorded.contains_key(*key));
    for key in recorded.keys().chain(added) {
        let path = format!("{path}.{key}");
        compare(path, recorded.get(key), got.get(key), found);
    }
}

/// Elements that are more on one side are looked for between those that are
/// equal at the beginning and at the end.
fn arrays(path: &str, recorded: &[Value], got: &[Value], found: &mut Vec<Difference>) {
    let shorter = recorded.len().min(got.len());
    let equal = |pair: &(&Value, &Value)| pair.0 == pair.1;
    let start = if recorded.len() == got.len() {
        0
    } else {
        recorded.iter().zip(got).take_while(equal).count()
    };
    let end = recorded.iter().rev().zip(got.iter().rev());
    let end = end.take(shorter - start).take_while(equal).count();
    let middle = |side: usize| side.saturating_sub(end);
    for index in start..middle(recorded.len()).max(middle(got.len())) {
        let of = |side: &[Value]| (index < middle(side.len())).then(|| side[index].clone());
        let path = format!("{path}[{index}]");
        compare(path, of(recorded).as_ref(), of(got).as_ref(), found);
    }
}

/// Whether two texts are the same JSON but for the order of keys.
fn reordered(recorded: &str, got: &str) -> bool {
    let parse = |text: &str| {
        let value = serde_json::from_str::<Value>(text).ok()?;
        (value.is_object() || value.is_array()).then_some(value)
    };
    recorded.len() == got.len() && parse(recorded).is_some_and(|value| Some(value) == parse(got))
}

#[cfg(test)]
mod tests {
    use super::{Difference, differences};
    use serde_json::{Value, json};

    fn places(recorded: &Value, got: &Value) -> Vec<String> {
        let found = differences("x", recorded, got);
        found
            .into_iter()
            .map(|difference| difference.path)
            .collect()
    }

    #[test]
    fn a_difference_says_where_and_what() {
        let found = differences(
            "x",
            &json!({ "a": [1, { "b": "c" }] }),
            &json!({ "a": [1, { "b": "d" }] }),
        );
        let expected = Difference {
            path: "x.a[1].b".to_owned(),
            recorded: Some(json!("c")),
            got: Some(json!("d")),
        };
        assert_eq!(found, [expected]);
    }

    #[test]
    fn keys_and_elements_may_be_missing_on_either_side() {
        assert_eq!(
            places(&json!({ "a": 1 }), &json!({ "b": 1 })),
            ["x.a", "x.b"]
        );
        assert_eq!(places(&json!([1, 2, 3]), &json!([1, 3])), ["x[1]"]);
        assert_eq!(places(&json!([1, 3]), &json!([1, 2, 3])), ["x[1]"]);
        assert_eq!(places(&json!([1]), &json!([1, 1])), ["x[1]"]);
        assert_eq!(places(&json!([]), &json!(["a", "b"])), ["x[0]", "x[1]"]);
    }

    #[test]
    fn only_the_order_of_keys_in_text_does_not_matter() {
        let recorded = json!("{\"a\":1,\"b\":2}");
        assert!(places(&recorded, &json!("{\"b\":2,\"a\":1}")).is_empty());
        assert_eq!(places(&recorded, &json!("{\"b\":1,\"a\":2}")), ["x"]);
        assert_eq!(places(&json!("ab"), &json!("ba")), ["x"]);
    }
}
