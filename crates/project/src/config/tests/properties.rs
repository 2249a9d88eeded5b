//! Properties of all files: each one is a configuration, or an error of one line.

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use std::fs;

use super::super::load;

/// Loads the file `name` with this text. Returns its configuration, or the error.
fn loaded(name: &str, text: impl AsRef<[u8]>) -> Result<String, String> {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(name), text).unwrap();
    match load(&dir.path().join(name), Some("staging")) {
        Ok(config) => Ok(config.name),
        Err(error) => Err(error.to_string()),
    }
}

fn is_valid_or_explained(loaded: &Result<String, String>) -> bool {
    loaded
        .as_ref()
        .err()
        .is_none_or(|error| error.lines().count() == 1 && error.contains("wrangler."))
}

/// Generates values of every kind, even where a table or a number is expected.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
        key().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        let table = prop::collection::vec((key(), inner.clone()), 0..6);
        prop_oneof![
            prop::collection::vec(inner, 0..6).prop_map(Value::from),
            table.prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

/// Generates keys that are read, and others.
fn key() -> impl Strategy<Value = String> {
    const KNOWN: &[&str] = &[
        "name",
        "main",
        "env",
        "staging",
        "vars",
        "services",
        "binding",
        "service",
        "props",
        "entrypoint",
        "tail_consumers",
        "dispatch_namespaces",
        "namespace",
        "outbound",
        "limits",
        "cpu_ms",
        "taffrail",
        "memory_mb",
        "workers",
        "kv_namespaces",
        "id",
        "durable_objects",
        "bindings",
        "class_name",
        "triggers",
        "crons",
        "build",
        "command",
        "cwd",
        "watch_dir",
        "allowed_outbound_hosts",
        "global_outbound",
        "worker_loaders",
    ];
    prop_oneof![8 => prop::sample::select(KNOWN).prop_map(str::to_owned), 1 => ".{0,8}"]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn any_table_is_a_configuration_or_an_error(
        entries in prop::collection::vec((key(), value()), 0..12)
    ) {
        let mut table: Map<String, Value> = entries.into_iter().collect();
        table.entry("name").or_insert(json!("w"));
        table.entry("main").or_insert(json!("w.js"));
        let text = Value::Object(table).to_string();
        let seen = loaded("wrangler.json", text);
        prop_assert!(is_valid_or_explained(&seen), "{seen:?}");
    }

    #[test]
    fn any_text_is_a_configuration_or_an_error(text in ".{0,200}") {
        for name in ["wrangler.toml", "wrangler.jsonc"] {
            let seen = loaded(name, &text);
            prop_assert!(is_valid_or_explained(&seen), "{seen:?}");
        }
    }

    #[test]
    fn any_bytes_are_a_configuration_or_an_error(
        bytes in prop::collection::vec(any::<u8>(), 0..200)
    ) {
        for name in ["wrangler.toml", "wrangler.jsonc"] {
            let seen = loaded(name, &bytes);
            prop_assert!(is_valid_or_explained(&seen), "{seen:?}");
        }
    }
}

#[test]
fn nesting_without_end_is_an_error() {
    let deep = "[".repeat(200_000);
    for (name, text) in [
        ("wrangler.jsonc", format!("{{ \"vars\": {deep}")),
        ("wrangler.toml", format!("vars = {deep}")),
        (
            "wrangler.toml",
            format!("{} = 1", vec!["a"; 100_000].join(".")),
        ),
        (
            "wrangler.toml",
            format!("[{}]", vec!["a"; 100_000].join(".")),
        ),
    ] {
        let seen = loaded(name, &text);
        assert!(
            seen.is_err() && is_valid_or_explained(&seen),
            "{name}: {seen:?}"
        );
    }
}

#[test]
fn a_device_and_a_huge_file_are_errors() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("wrangler.toml");
    std::os::unix::fs::symlink("/dev/zero", &config).unwrap();
    let error = load(&config, None).unwrap_err().to_string();
    assert!(error.ends_with("it is not a regular file"), "{error}");
    let seen = loaded("wrangler.toml", vec![b'#'; 2 << 20]);
    assert!(seen.unwrap_err().contains("larger than 1048576 bytes"));
}
