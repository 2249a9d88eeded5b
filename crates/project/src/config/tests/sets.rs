//! Several Workers together: `--var`, names, tail consumers.

use super::check;
use crate::config::{self, MissingTail};
use std::fs;

/// Loads Workers with these names and tail consumers, each in a directory of its name.
#[track_caller]
fn check_set(workers: &[(&str, &[&str])], more: &str, expected: &str) {
    let files: Vec<_> = workers
        .iter()
        .map(|(name, tails)| {
            let tails: Vec<_> = tails
                .iter()
                .map(|tail| format!("{{ service = \"{tail}\" }}"))
                .collect();
            let text = format!(
                "name = \"{name}\"\nmain = \"x.wasm\"\nvars = {{ OWN = \"1\" }}\ntail_consumers = [{}]",
                tails.join(", ")
            );
            (format!("{name}/wrangler.toml"), text)
        })
        .collect();
    let files: Vec<_> = files
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str()))
        .collect();
    let paths: Vec<_> = workers.iter().map(|(name, _)| *name).collect();
    check(&files, &format!("{} {more}", paths.join(" ")), expected);
}

/// The warnings of Workers that go on without their tails.
#[test]
fn every_missing_tail_is_warned_of_and_other_missing_workers_are_errors() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("wrangler.toml");
    let load = |more: &str| {
        let text = format!("name = \"a\"\nmain = \"x.wasm\"\n{more}");
        fs::write(&file, text).unwrap();
        [config::load(&file, None).unwrap()]
    };
    let workers = load(
        "tail_consumers = [{ service = \"one\" }, { service = \"two\" }, { service = \"one\" }]
         taffrail.dispatch_namespaces.users.workers = \"users\"
         taffrail.dispatch_namespaces.users.tail_consumers = [{ service = \"three\" }]",
    );
    let says: Vec<_> = config::check_set(&workers, MissingTail::Warn)
        .unwrap()
        .iter()
        .map(|warning| {
            let (_, says) = warning.split_once(": ").unwrap();
            says.split(',').next().unwrap().to_owned()
        })
        .collect();
    assert_eq!(
        says,
        [
            "`tail_consumers` of Worker `a` has the service `one`",
            "`tail_consumers` of Worker `a` has the service `two`",
            "`taffrail.dispatch_namespaces.users.tail_consumers` has the service `three`",
        ]
    );
    let workers = load("services = [{ binding = \"API\", service = \"api\" }]");
    config::check_set(&workers, MissingTail::Warn).unwrap_err();
}

#[test]
fn vars_go_to_every_worker_or_to_one() {
    check_set(
        &[("a", &[]), ("b", &[])],
        "--var=ALL:x --var=a.ONE:http://x:1/ --var=b.OWN: --var=ALL:y",
        "path = a/wrangler.toml
         dir = a
         name = a
         main = a/x.wasm
         vars.ALL = \"y\"
         vars.ONE = \"http://x:1/\"
         vars.OWN = \"1\"
         ---
         path = b/wrangler.toml
         dir = b
         name = b
         main = b/x.wasm
         vars.ALL = \"y\"
         vars.OWN = \"\"",
    );
}

#[test]
fn vars_of_another_form_are_errors_that_keep_the_value_to_themselves() {
    for (var, shown) in [
        ("KEY", "KEY"),
        ("KEY=secret:1", "KEY"),
        (":secret", ""),
        (".KEY:secret", ".KEY"),
        ("a.:secret", "a."),
        ("a.B.C:secret", "a.B.C"),
    ] {
        check_set(
            &[("a", &[])],
            &format!("--var={var}"),
            &format!("{shown}: expected KEY:VALUE or WORKER.KEY:VALUE, no dot in KEY"),
        );
    }
    check_set(
        &[("a", &[]), ("b", &[])],
        "--var=c.KEY:secret",
        "c.KEY: no Worker is named `c`; the Workers given are `a`, `b`",
    );
}

#[test]
fn two_workers_of_one_name() {
    let text = "name = \"same\"\nmain = \"x.wasm\"";
    check(
        &[("a/wrangler.toml", text), ("b/wrangler.toml", text)],
        "a b",
        "two Workers are named `same`: a/wrangler.toml and b/wrangler.toml; give each Worker once and under a `name` of its own",
    );
}

#[test]
fn a_tail_consumer_that_was_not_given() {
    check_set(
        &[("a", &["logs"]), ("b", &[])],
        "",
        "a/wrangler.toml: `tail_consumers` of Worker `a` has the service `logs`, which is not among the Workers given (`a`, `b`); pass its directory too",
    );
}

#[test]
fn tail_cycles_are_named() {
    check_set(
        &[("a", &["b"]), ("b", &["a"])],
        "",
        "the tail consumers form a cycle: a → b → a; remove one of them from the `tail_consumers` in b/wrangler.toml or a/wrangler.toml",
    );
    check_set(
        &[
            ("a", &["d", "b"]),
            ("b", &["b", "c"]),
            ("c", &["d", "b"]),
            ("d", &[]),
        ],
        "",
        "the tail consumers form a cycle: b → c → b; remove one of them from the `tail_consumers` in c/wrangler.toml or b/wrangler.toml",
    );
}

#[test]
fn a_worker_may_tail_itself_and_be_tailed_on_several_ways() {
    check_set(
        &[("a", &["a", "b", "c"]), ("b", &["c"]), ("c", &[])],
        "",
        "path = a/wrangler.toml
         dir = a
         name = a
         main = a/x.wasm
         vars.OWN = \"1\"
         tail = a
         tail = b
         tail = c
         ---
         path = b/wrangler.toml
         dir = b
         name = b
         main = b/x.wasm
         vars.OWN = \"1\"
         tail = c
         ---
         path = c/wrangler.toml
         dir = c
         name = c
         main = c/x.wasm
         vars.OWN = \"1\"",
    );
}

#[test]
fn limits_go_to_every_worker_or_to_one() {
    check_set(
        &[("a", &[]), ("b", &[])],
        "--limit=cpu_ms=50 --limit=b.instances=2 --limit=b.cpu_ms=60",
        "path = a/wrangler.toml
         dir = a
         name = a
         main = a/x.wasm
         vars.OWN = \"1\"
         cpu_ms = 50
         ---
         path = b/wrangler.toml
         dir = b
         name = b
         main = b/x.wasm
         vars.OWN = \"1\"
         cpu_ms = 60
         instances = 2",
    );
}

#[test]
fn limits_of_another_form_are_errors() {
    let table = [
        ("cpu_ms", "cpu_ms: expected KEY=VALUE or WORKER.KEY=VALUE"),
        (
            "cpu_ms=0",
            "cpu_ms=0: `0` is not a whole number from 1 to 300000",
        ),
        (
            "memory_mb=lots",
            "memory_mb=lots: `lots` is not a whole number from 1 to 4096",
        ),
        (
            "cpu=1",
            "cpu=1: there is no limit `cpu`; the limits are cpu_ms, subrequests, memory_mb, wall_ms, wait_until_ms and instances",
        ),
        (
            "z.cpu_ms=1",
            "z.cpu_ms=1: no Worker is named `z`; the Workers given are `a`",
        ),
    ];
    for (limit, error) in table {
        check_set(&[("a", &[])], &format!("--limit={limit}"), error);
    }
}
