//! The pieces of workerd's configuration that a recording has as Cap'n Proto
//! text.

use anyhow::{Result, bail, ensure};
use serde_json::{Map, Value};

/// Reads `(name = value, ...)`. Names of enumerants and numbers become text.
pub(super) fn table(text: &str) -> Result<Map<String, Value>> {
    let mut rest = text;
    let value = value(&mut rest)?;
    ensure!(rest.trim().is_empty(), "`{text}` goes on after its end");
    match value {
        Value::Object(table) => Ok(table),
        _ => bail!("`{text}` is not a table"),
    }
}

fn value(rest: &mut &str) -> Result<Value> {
    if take(rest, '(') {
        let mut table = Map::new();
        while !take(rest, ')') {
            let name = word(rest)?;
            ensure!(take(rest, '='), "`{name}` has no value");
            table.insert(name, value(rest)?);
            ensure!(
                take(rest, ',') || rest.trim_start().starts_with(')'),
                "a table does not end"
            );
        }
        return Ok(Value::Object(table));
    }
    if take(rest, '[') {
        let mut list = Vec::new();
        while !take(rest, ']') {
            list.push(value(rest)?);
            ensure!(
                take(rest, ',') || rest.trim_start().starts_with(']'),
                "a list does not end"
            );
        }
        return Ok(Value::Array(list));
    }
    if rest.trim_start().starts_with('"') {
        return string(rest);
    }
    word(rest).map(Value::String)
}

/// Cap'n Proto's escapes are those of JSON as far as configurations use them.
fn string(rest: &mut &str) -> Result<Value> {
    let text = rest.trim_start();
    let mut values = serde_json::Deserializer::from_str(text).into_iter();
    match values.next() {
        Some(value) => {
            *rest = &text[values.byte_offset()..];
            Ok(value?)
        }
        None => bail!("a text is missing"),
    }
}

fn take(rest: &mut &str, mark: char) -> bool {
    let found = rest.trim_start().strip_prefix(mark);
    found.map(|after| *rest = after).is_some()
}

fn word(rest: &mut &str) -> Result<String> {
    let text = rest.trim_start();
    let part_of_word = |c: char| c.is_alphanumeric() || "_-.".contains(c);
    let end = text.find(|c| !part_of_word(c)).unwrap_or(text.len());
    ensure!(end > 0, "a word is missing before `{text}`");
    *rest = &text[end..];
    Ok(text[..end].to_owned())
}

#[cfg(test)]
mod tests {
    use super::table;
    use serde_json::{Value, json};

    #[test]
    fn tables_nest_and_may_end_with_a_comma() {
        let text = "(a = \"x, y\", b = (c = void, d = [(e = -1), \"f\"]),\n)";
        let expected = json!({ "a": "x, y", "b": { "c": "void", "d": [{ "e": "-1" }, "f"] } });
        assert_eq!(Value::Object(table(text).unwrap()), expected);
        assert!(table("()").unwrap().is_empty());
    }

    #[test]
    fn what_does_not_end_is_refused() {
        for text in ["(a = 1", "(a)", "(a = 1) b", "[]", "(a = \"x)"] {
            assert!(table(text).is_err(), "{text}");
        }
    }
}
