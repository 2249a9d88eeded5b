//! Workers in Rust with the crate `taffrail-guest`.

use bytes::Bytes;
use http::{Method, Request};
use serde_json::json;
use std::sync::Arc;
use taffrail_runtime::trace::TraceItem;
use taffrail_tests::guests::root;
use taffrail_tests::process;
use taffrail_tests::scenario::{Scenario, full, logs};

/// The guest `sdk`, which receives its own items.
fn sdk() -> Scenario {
    Scenario::new().worker_with_tails("sdk", &["sdk"])
}

/// The item of a request, and that of the tail event after it.
async fn items(scenario: &Scenario, path: &str) -> [Arc<TraceItem>; 2] {
    scenario.get("sdk", path).await;
    scenario.idle().await;
    let items = scenario.items_of("sdk");
    items[items.len() - 2..].to_vec().try_into().unwrap()
}

/// The line of `source` in the guest.
fn line(source: &str) -> usize {
    let text = std::fs::read_to_string(root().join("tests/guests/sdk/src/lib.rs")).unwrap();
    let lines = text.lines().position(|line| line.contains(source));
    lines.unwrap() + 1
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_and_responses_are_those_of_the_crate_http() {
    let scenario = sdk();
    let body = Bytes::from(vec![b'x'; 300_000]);
    let request = Request::builder()
        .method(Method::PUT)
        .uri("http://localhost/echo?a=b")
        .body(body.clone());
    let answer = scenario.send("sdk", request.unwrap()).await;
    assert_eq!(answer.status, Some(201));
    assert_eq!(answer.headers["x-request"], "PUT http://localhost/echo?a=b");
    assert!(answer.body == body);
    let answer = scenario.get("sdk", "/there").await;
    assert_eq!(answer.text(), "Hello from /there\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_have_their_level_fields_file_and_line() {
    let scenario = sdk();
    let file = "sdk/src/lib.rs";
    for (path, more) in [
        ("/log", json!({ "order": 7, "color": "grün" })),
        (
            "/tracing",
            json!({ "order": 7, "depth": 2, "ok": true, "share": 0.5 }),
        ),
    ] {
        let [item, _] = items(&scenario, path).await;
        let entries: Vec<_> = item.logs.iter().map(|log| json!(log)).collect();
        let kind = &path[1..];
        let mut warning = more;
        for (level, message, target, source, mut fields) in [
            ("debug", "a trace", "sdk", "trace!(", json!({})),
            ("debug", "a debug", "sdk", "debug!(", json!({})),
            ("info", "an info", "sdk", "info!(\"an info\"", json!({})),
            ("warn", "a warning", "sdk", "warn!(", warning.take()),
            ("error", "an error", "shop", "error!(", json!({})),
        ]
        .into_iter()
        {
            let position = entries.iter().find(|entry| entry["message"][0] == message);
            let entry = position.unwrap_or_else(|| panic!("{message}: {entries:?}"));
            assert_eq!(entry["level"], level, "{message}");
            fields["target"] = target.into();
            fields["file"] = file.into();
            fields["line"] = line(&format!("{kind}::{source}")).into();
            if (kind, level) == ("tracing", "error") {
                fields["error"] = "no number: invalid digit found in string".into();
            }
            assert_eq!(entry["message"][1], fields, "{message}");
        }
        assert_eq!(entries.len(), 5);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_failure_is_one_exception() {
    let scenario = sdk();
    let overflow = "probably a stack overflow";
    for (path, outcome, name, message, place) in [
        (
            "/error",
            "exception",
            "Error",
            "the order: invalid digit found in string",
            None,
        ),
        (
            "/refused",
            "exception",
            "Error",
            "http://127.0.0.1:1/: ",
            None,
        ),
        (
            "/panic",
            "exception",
            "panic",
            "no such order",
            Some("\"/panic\" =>"),
        ),
        (
            "/panic-in-a-task",
            "exception",
            "panic",
            "no such order",
            Some("\"/panic-in-a-task\" =>"),
        ),
        (
            "/exit",
            "exception",
            "RuntimeError",
            "exited with status 1",
            Some("process::exit"),
        ),
        (
            "/abort",
            "exception",
            "RuntimeError",
            "unreachable executed",
            Some("process::abort"),
        ),
        (
            "/memory",
            "exceededMemory",
            "Error",
            "Worker exceeded memory limit.",
            Some("held.push"),
        ),
        (
            "/overflow",
            "exception",
            "RuntimeError",
            overflow,
            Some("overflow(frame[1] + 1)"),
        ),
    ] {
        let [item, _] = items(&scenario, path).await;
        assert_eq!(json!(item.outcome), outcome, "{path}");
        let [exception] = &item.exceptions[..] else {
            panic!("{path}: {:?}", item.exceptions);
        };
        assert_eq!(exception.name, name, "{path}");
        assert!(exception.message.contains(message), "{exception:?}");
        let stack = exception.stack.as_deref().unwrap_or_default();
        let place = place.map(|source| format!("sdk/src/lib.rs:{}:", line(source)));
        assert!(
            stack.contains(&place.unwrap_or_default()),
            "{path}: {stack}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tail_gets_items_that_are_their_json() {
    let scenario = sdk();
    let request = Request::get("http://localhost/log").header("authorization", "Bearer 1234");
    let request = request.body(Bytes::new()).unwrap();
    scenario.stream("sdk", request.map(full)).await;
    scenario.idle().await;
    let tail = scenario.items_of("sdk").pop().unwrap();
    assert_eq!(
        logs(&tail),
        [
            "log true",
            "log sdk ok 5",
            "log Some(\"REDACTED\") Some(\"Bearer 1234\")",
            "log true",
        ]
    );
    // The error that the handler returns.
    assert_eq!(json!(tail.outcome), "exception");
    let message = "expected ident at line 1 column 2";
    let [exception] = &tail.exceptions[..] else {
        panic!("{:?}", tail.exceptions);
    };
    assert_eq!((&*exception.name, &*exception.message), ("Error", message));
}

#[test]
fn build_says_where_the_component_is() {
    let folder = process::Folder::new();
    let component = taffrail_tests::guests::component("hello");
    let build = |command: &str| {
        let config = format!("name = \"w\"\nmain = \"made/w.wasm\"\nbuild.command = {command:?}\n");
        folder.write("w/wrangler.toml", config);
        folder.run(&["build", "w"])
    };
    let built = build(&format!(
        "mkdir -p made && cp {} made/w.wasm",
        component.display()
    ));
    assert_eq!(built.code, Some(0), "{}", built.stderr);
    assert!(
        built.stderr.contains("Built w as `w/made/w.wasm`, 0.1 MB"),
        "{}",
        built.stderr
    );
    let copied = folder.run(&["build", "w", "--output", "copy.wasm"]);
    assert_eq!(copied.code, Some(0), "{}", copied.stderr);
    assert!(folder.path().join("copy.wasm").exists());
    std::fs::remove_dir_all(folder.path().join("w/made")).unwrap();
    let nothing = build("true");
    assert_eq!(nothing.code, Some(1));
    assert!(
        nothing
            .stderr
            .contains("`build.command` (`true`) did not create it"),
        "{}",
        nothing.stderr
    );
}

#[test]
fn a_missing_tool_is_named_with_what_to_do() {
    for (rustc, expected) in [
        (None, "Rust is not installed: see https://rustup.rs"),
        (
            Some("#!/bin/sh\necho /nowhere\n"),
            "Rust has no standard library for wasm32-wasip2: rustup target add wasm32-wasip2",
        ),
    ] {
        let folder = process::Folder::new();
        let config = "name = \"w\"\nmain = \"w.wasm\"\nbuild.command = \"cargo build --target wasm32-wasip2\"\n";
        folder.write("w/wrangler.toml", config);
        // A shell, and nothing else but this.
        folder.write("bin/README", "");
        std::os::unix::fs::symlink("/bin/sh", folder.path().join("bin/sh")).unwrap();
        if let Some(rustc) = rustc {
            use std::os::unix::fs::PermissionsExt;
            folder.write("bin/rustc", rustc);
            let executable = std::fs::Permissions::from_mode(0o755);
            std::fs::set_permissions(folder.path().join("bin/rustc"), executable).unwrap();
        }
        let mut command = folder.taffrail(&["build", "w"]);
        command.env("PATH", folder.path().join("bin"));
        let finished = process::run(command);
        assert_eq!(finished.code, Some(1));
        assert!(finished.stderr.contains(expected), "{}", finished.stderr);
    }
}
