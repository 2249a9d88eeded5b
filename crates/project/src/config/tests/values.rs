//! Keys and values within one file.

use super::{check, load};
use crate::config::keys;

/// Checks a wrangler.toml that starts with a name and a component.
#[track_caller]
fn check_toml(rest: &str, expected: &str) {
    let text = format!("name = \"a\"\nmain = \"a.wasm\"\n{rest}");
    check(&[("a/wrangler.toml", &text)], "a", expected);
}

/// Checks such a file, of which only the warnings differ.
#[track_caller]
fn check_warnings(rest: &str, warnings: &str) {
    let worker = "path = a/wrangler.toml\ndir = a\nname = a\nmain = a/a.wasm\n";
    check_toml(rest, &format!("{worker}{warnings}"));
}

#[test]
fn everything_that_taffrail_reads() {
    check(
        &[
            (
                "a/wrangler.toml",
                r#"
            name = "a_1-b"
            main = "./build/a.wasm"
            vars = { TEXT = "t", COUNT = 3, DEEP = { list = [1.5, true] } }
            tail_consumers = [{ service = "logs" }, { service = "logs" }]

            [build]
            command = "cargo build"
            cwd = "guest"
            watch_dir = ["./guest/src", "wit"]

            [limits]
            cpu_ms = 300000
            subrequests = 10000000

            [taffrail]
            memory_mb = 4096
            wall_ms = 86400000
            instances = 1000
            tail_batch = { items = 100, ms = 1000 }
            instance_reuse = 1000000
            continue_traces = false
            onset = true
            "#,
            ),
            ("out/logs.wasm", ""),
        ],
        "a out/logs.wasm",
        r#"path = a/wrangler.toml
           dir = a
           name = a_1-b
           main = a/build/a.wasm
           build.command = cargo build
           build.cwd = a/guest
           build.watch = a/guest/src, a/wit
           vars.COUNT = 3
           vars.DEEP = {"list":[1.5,true]}
           vars.TEXT = "t"
           tail = logs
           tail = logs
           cpu_ms = 300000
           subrequests = 10000000
           memory_mb = 4096
           wall_ms = 86400000
           instances = 1000
           instance_reuse = 1000000
           onset = true
           continue_traces = false
           tail_batch = 100 1s
           ---
           path = out/logs.wasm
           dir = out
           name = logs
           main = out/logs.wasm"#,
    );
}

#[test]
fn a_build_has_defaults_and_needs_a_command() {
    check_toml(
        "[build]\ncommand = \"make\"",
        "path = a/wrangler.toml
         dir = a
         name = a
         main = a/a.wasm
         build.command = make
         build.cwd = a
         build.watch = a/src",
    );
    check_toml(
        "[build]\ncommand = \"make\"\nwatch_dir = \"lib\"",
        "path = a/wrangler.toml
         dir = a
         name = a
         main = a/a.wasm
         build.command = make
         build.cwd = a
         build.watch = a/lib",
    );
    check_warnings("[build]\ncwd = \"guest\"", "");
    check_warnings("[build]\ncommand = \"\"", "");
}

#[test]
fn name_and_main_are_needed() {
    check(
        &[("a/wrangler.toml", "main = \"a.wasm\"")],
        "a",
        "a/wrangler.toml: `name` is missing; set it, for example: name = \"my-worker\"",
    );
    check(
        &[("a/wrangler.toml", "name = \"a\"\nmain = \"\"")],
        "a",
        "a/wrangler.toml: `main` is missing; set it, for example: main = \"build/worker.wasm\"",
    );
    check(
        &[("a/wrangler.json", r#"{ "name": "a", "main": null }"#)],
        "a",
        r#"a/wrangler.json: `main` is missing; set it, for example: "main": "build/worker.wasm""#,
    );
    check(
        &[("a/wrangler.json", "")],
        "a",
        r#"a/wrangler.json: `name` is missing; set it, for example: "name": "my-worker""#,
    );
}

#[test]
fn names_follow_wranglers_rule() {
    for (name, shown) in [
        ("My Worker", "My Worker"),
        ("-a", "-a"),
        ("a.b", "a.b"),
        ("ä", "ä"),
    ] {
        check(
            &[("a/wrangler.toml", &format!("name = \"{name}\""))],
            "a",
            &format!(
                "a/wrangler.toml: `name` is \"{shown}\"; a Worker's name is made of lower-case letters, digits, dashes and underscores, and does not start with a dash"
            ),
        );
    }
}

#[test]
fn wrong_types_name_the_key_and_both_types() {
    for (rest, expected) in [
        (
            "limits.cpu_ms = \"fast\"",
            "`limits.cpu_ms`: invalid type: string \"fast\", expected a whole number from 1 to 300000",
        ),
        (
            "limits.cpu_ms = 2.5",
            "`limits.cpu_ms`: invalid type: floating point `2.5`, expected a whole number from 1 to 300000",
        ),
        (
            "limits.cpu_ms = -1",
            "`limits.cpu_ms`: invalid type: integer `-1`, expected a whole number from 1 to 300000",
        ),
        (
            "limits.cpu_ms = 0",
            "`limits.cpu_ms`: invalid value: integer `0`, expected a whole number from 1 to 300000",
        ),
        (
            "limits.cpu_ms = 300001",
            "`limits.cpu_ms`: invalid value: integer `300001`, expected a whole number from 1 to 300000",
        ),
        (
            "taffrail.memory_mb = 0",
            "`taffrail.memory_mb`: invalid value: integer `0`, expected a whole number from 1 to 4096",
        ),
        (
            "taffrail.memory_mb = 4097",
            "`taffrail.memory_mb`: invalid value: integer `4097`, expected a whole number from 1 to 4096",
        ),
        (
            "limits.subrequests = 0",
            "`limits.subrequests`: invalid value: integer `0`, expected a whole number from 1 to 10000000",
        ),
        (
            "taffrail.wall_ms = 0",
            "`taffrail.wall_ms`: invalid value: integer `0`, expected a whole number from 1 to 86400000",
        ),
        (
            "taffrail.instances = 1001",
            "`taffrail.instances`: invalid value: integer `1001`, expected a whole number from 1 to 1000",
        ),
        (
            "taffrail.tail_batch = { items = 101 }",
            "`taffrail.tail_batch.items`: invalid value: integer `101`, expected a whole number from 1 to 100",
        ),
        (
            "taffrail.tail_batch.ms = 0",
            "`taffrail.tail_batch.ms`: invalid value: integer `0`, expected a whole number from 1 to 1000",
        ),
        (
            "taffrail.tail_batch = 32",
            "`taffrail.tail_batch`: invalid type: integer `32`, expected a table with `items` or `ms`",
        ),
        (
            "taffrail.instance_reuse = 0",
            "`taffrail.instance_reuse`: invalid value: integer `0`, expected a whole number from 1 to 1000000",
        ),
        (
            "limits = 5",
            "`limits`: invalid type: integer `5`, expected a table",
        ),
        (
            "vars = \"A\"",
            "`vars`: invalid type: string \"A\", expected a map",
        ),
        (
            "build.command = 1",
            "`build.command`: invalid type: integer `1`, expected a string",
        ),
        (
            "build.watch_dir = 1",
            "`build.watch_dir`: invalid type: integer `1`, expected a path or a list of paths",
        ),
        (
            "build.watch_dir = [\"src\", 1]",
            "`build.watch_dir[1]`: invalid type: integer `1`, expected path string",
        ),
        (
            "tail_consumers = \"logs\"",
            "`tail_consumers`: invalid type: string \"logs\", expected a sequence",
        ),
        (
            "tail_consumers = [\"logs\"]",
            "`tail_consumers[0]`: invalid type: string \"logs\", expected a table with the key `service`",
        ),
        (
            "[[tail_consumers]]\nservice = \"a\"\n[[tail_consumers]]",
            "`tail_consumers[1]`: missing field `service`",
        ),
    ] {
        check_toml(rest, &format!("a/wrangler.toml: {expected}"));
    }
}

#[test]
fn keys_that_nobody_knows_are_errors() {
    for (rest, expected) in [
        (
            "tail_consumer = []",
            "unknown key `tail_consumer`; did you mean `tail_consumers`?",
        ),
        (
            "frobnicate = 1",
            "unknown key `frobnicate`; neither Wrangler nor Taffrail has such a key",
        ),
        (
            "memory_mb = 64",
            "unknown key `memory_mb`; `memory_mb` belongs in `taffrail`",
        ),
        (
            "[limits]\ncpu = 1",
            "unknown key `limits.cpu`; neither Wrangler nor Taffrail has such a key",
        ),
        (
            "[limits]\ncpu_m = 1",
            "unknown key `limits.cpu_m`; did you mean `cpu_ms`?",
        ),
        (
            "[build]\nworkers_dev = true",
            "unknown key `build.workers_dev`; `workers_dev` belongs at the top level",
        ),
        (
            "[[tail_consumers]]\nservise = \"b\"",
            "unknown key `tail_consumers[0].servise`; did you mean `service`?",
        ),
        (
            "[taffrail]\nmemory = 64",
            "unknown key `taffrail.memory`; did you mean `memory_mb`?",
        ),
        (
            "[taffrail]\ninstance_pool = 64",
            "unknown key `taffrail.instance_pool`; neither Wrangler nor Taffrail has such a key",
        ),
    ] {
        check_toml(rest, &format!("a/wrangler.toml: {expected}"));
    }
}

#[test]
fn keys_that_only_wrangler_uses_are_warnings() {
    check_warnings(
        "
        routes = [\"example.com/*\"]
        [[d1_databases]]
        binding = \"KV\"
        [[tail_consumers]]
        service = \"a\"
        environment = \"production\"
        ",
        "tail = a
         warning: a/wrangler.toml: `d1_databases` is not supported by Taffrail yet and is ignored
         warning: a/wrangler.toml: `routes` is not supported by Taffrail yet and is ignored
         warning: a/wrangler.toml: `tail_consumers[0].environment` is not supported by Taffrail yet and is ignored",
    );
}

#[test]
fn keys_that_make_no_difference_are_silent() {
    check_warnings(
        "
        account_id = \"0\"
        compatibility_date = \"2026-11-01\"
        compatibility_flags = [\"nodejs_compat\"]
        workers_dev = true
        minify = true
        upload_source_maps = true
        observability = { enabled = true }
        services = []
        triggers = { crons = [] }
        ",
        "",
    );
    check(
        &[(
            "a/wrangler.json",
            r#"{ "$schema": "s", "name": "a", "main": "a.wasm", "queues": null, "limits": { "subrequests": null } }"#,
        )],
        "a",
        "path = a/wrangler.json\ndir = a\nname = a\nmain = a/a.wasm",
    );
}

#[test]
fn crons_and_the_entrypoints_of_tail_consumers() {
    check_warnings(
        "
        triggers = { crons = [\"*/5 * * * *\", \"0 17 * * SUN\"] }
        [[tail_consumers]]
        service = \"a\"
        entrypoint = \"Logs\"
        props = { customer = 7 }
        ",
        "tail = a#Logs{\"customer\":7}
         cron = */5 * * * *
         cron = 0 17 * * SUN",
    );
    check_toml(
        "triggers = { crons = [\"* * *\"] }",
        "a/wrangler.toml: `triggers.crons`: `* * *` is not a cron expression such as `*/5 * * * *`: Invalid pattern: Pattern must have 5 fields when seconds are disallowed",
    );
}

/// Each key that is read is refused if its value is a list of lists, which no key accepts. A key
/// that is not read is ignored.
#[test]
fn every_key_that_is_said_to_be_read_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("wrangler.json");
    for (table, key) in keys::read_inside() {
        let inner = serde_json::json!({ key: [[]] });
        let refused = [inner.clone(), serde_json::json!([inner])].map(|value| {
            let config = serde_json::json!({ "name": "a", "main": "a.js", table: value });
            std::fs::write(&path, config.to_string()).unwrap();
            load(&path, None).unwrap_err().to_string()
        });
        let place = [format!("`{table}.{key}"), format!("`{table}[0].{key}")];
        let is_read = refused
            .iter()
            .zip(&place)
            .any(|(error, place)| error.contains(place.as_str()));
        assert!(is_read, "{table}.{key}: {refused:?}");
    }
}
