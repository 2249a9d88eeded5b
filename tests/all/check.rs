//! `taffrail check`.

use serde_json::{Value, json};
use taffrail_tests::guests;
use taffrail_tests::process::{Finished, Folder, run};
use taffrail_tests::scenario::Scenario;

/// What `check --json` says of `path`, and how it ends.
fn checked(folder: &Folder, path: &str) -> (Value, Finished) {
    let finished = folder.run(&["check", path, "--json"]);
    let report = serde_json::from_str(&finished.stdout);
    let report = report.unwrap_or_else(|_| panic!("{finished:?}"));
    (report, finished)
}

/// A component in text form, as the Worker `w`.
fn text(component: &str) -> Folder {
    let folder = Folder::new();
    folder
        .write("w/wrangler.toml", "name = \"w\"\nmain = \"w.wasm\"\n")
        .write("w/w.wasm", wat::parse_str(component).unwrap());
    folder
}

/// A component whose handler has the wrong type, with more in it.
fn handler(more: &str) -> String {
    format!(
        r#"(component
            {more}
            (instance $handler)
            (export "wasi:http/incoming-handler@0.2.0" (instance $handler)))"#
    )
}

#[test]
fn a_producer_is_described() {
    let folder = Folder::new();
    folder.worker("w", "hello", "");
    let (report, finished) = checked(&folder, "w");
    assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), ""));
    assert_eq!(report["worker"], "w");
    assert_eq!(report["kind"], "component");
    assert_eq!(report["deploys"], true);
    assert_eq!(report["error"], Value::Null);
    assert_eq!(report["roles"], json!(["producer"]));
    assert_eq!(report["handlers"], json!(["fetch"]));
    let wasi = report["wasi"].as_array().unwrap();
    assert!(
        wasi.iter()
            .all(|it| it.as_str().unwrap().starts_with("0.2."))
    );
    let rust = |language: &Value| language["name"] == "Rust";
    assert!(report["languages"].as_array().unwrap().iter().any(rust));
    let rustc = |tool: &Value| tool["name"] == "rustc" && tool["version"] != "";
    assert!(report["tools"].as_array().unwrap().iter().any(rustc));
    let imports = report["imports"].as_array().unwrap();
    let offered = |import: &Value| import["offered"] == true && import["remedy"].is_null();
    assert!(!imports.is_empty() && imports.iter().all(offered));
    assert!(report["memories"][0]["min"].as_u64().unwrap() >= 65536);
    assert_eq!(report["memoryLimit"], 128 << 20);
}

#[test]
fn the_text_says_the_same() {
    let folder = Folder::new();
    folder.worker("w", "hello-p3", "taffrail.memory_mb = 64");
    let finished = folder.run(&["check", "w"]);
    assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), ""));
    let lines: Vec<_> = finished.stdout.lines().collect();
    let main = guests::component("hello-p3");
    let main = format!("  main          {}, component, ", main.display());
    assert_eq!(lines[0], "Worker `w`");
    assert!(lines[1].starts_with(&main), "{}", lines[1]);
    for line in [
        "  roles         producer",
        "  handlers      fetch",
        "                limit of all: 64.0 MiB",
        "  deploys       yes",
    ] {
        assert!(lines.contains(&line), "{line}: {}", finished.stdout);
    }
    assert!(
        finished
            .stdout
            .contains("  exports       wasi:http/handler@0.3.")
    );
}

#[test]
fn tails_as_bare_components_are_described() {
    let tail = guests::component("tail-log");
    let (report, finished) = checked(&Folder::new(), tail.to_str().unwrap());
    assert_eq!(finished.code, Some(0));
    assert_eq!(report["worker"], "tail_log");
    assert_eq!(report["roles"], json!(["tail"]));
    assert_eq!(report["exports"], json!(["taffrail:workers/tail@0.2.0"]));
    let tail = guests::component("tail-stream");
    let (report, finished) = checked(&Folder::new(), tail.to_str().unwrap());
    assert_eq!(finished.code, Some(0));
    assert_eq!(report["roles"], json!(["streaming tail"]));
    assert_eq!(report["handlers"], json!(["tailStream"]));
}

#[test]
fn a_script_is_evaluated() {
    let folder = Folder::new();
    folder.script("w", "export default { fetch() {} }", "");
    let (report, finished) = checked(&folder, "w");
    assert_eq!(
        (finished.code, &report["kind"]),
        (Some(0), &json!("script"))
    );
    assert_eq!(report["imports"], Value::Null);

    for (script, roles, handlers) in [
        (
            "export default { fetch() {} }",
            json!(["producer"]),
            json!(["fetch"]),
        ),
        (
            "export default { tail() {}, fetch() {}, scheduled() {} }",
            json!(["producer", "tail"]),
            json!(["fetch", "tail", "scheduled"]),
        ),
        (
            "import { WorkerEntrypoint } from 'cloudflare:workers';
             class Base extends WorkerEntrypoint { tail() {} }
             export default class extends Base { queue() {} }",
            json!(["tail"]),
            json!(["tail", "queue"]),
        ),
        (
            "addEventListener('trace', () => {})",
            json!(["tail"]),
            json!(["tail"]),
        ),
        (
            "export default { tailStream() {} }",
            json!(["streaming tail"]),
            json!(["tailStream"]),
        ),
        ("export class Other {}", json!([]), json!([])),
    ] {
        folder.script("w", script, "");
        let (report, finished) = checked(&folder, "w");
        assert_eq!(finished.code, Some(0), "{finished:?}");
        assert_eq!(
            (&report["roles"], &report["handlers"]),
            (&roles, &handlers),
            "{script}"
        );
    }
    let finished = folder.run(&["check", "w"]);
    assert!(
        finished.stdout.contains("\n  handlers      none\n"),
        "{}",
        finished.stdout
    );

    folder.script("w", "throw new Error('not today')", "");
    let (report, finished) = checked(&folder, "w");
    assert_eq!(
        (finished.code, &report["deploys"]),
        (Some(1), &json!(false))
    );
    assert!(finished.stderr.contains("not today"), "{}", finished.stderr);
}

#[test]
fn what_is_missing_comes_with_what_to_do() {
    let folder = text(&handler(
        r#"(import "wasi:cli/environment@0.2.3" (instance))
           (import "acme:db/types@1.0.0" (instance (type $row (record (field "id" u8))) (export "row" (type (eq $row)))))
           (import "acme:db/rows@1.0.0" (instance (export "f" (func))))
           (import "wasi:clocks/wall-clock@0.1.0" (instance (export "f" (func))))
           (import "wasi:keyvalue/store@0.2.0-draft" (instance (export "f" (func))))
           (import "taffrail:workers/console@0.7.0" (instance (export "f" (func))))"#,
    ));
    let compose = "build the component without it, or compose it with one that exports it: `wac plug COMPONENT --plug OTHER -o WHOLE`";
    let other = |name: &str| {
        format!("Taffrail offers `{name}`; build the component with bindings of that version")
    };
    let (report, finished) = checked(&folder, "w");
    assert_eq!(finished.code, Some(1));
    assert_eq!(
        report["imports"],
        json!([
            { "name": "wasi:cli/environment@0.2.3", "offered": true, "remedy": null },
            { "name": "acme:db/types@1.0.0", "offered": true, "remedy": null },
            { "name": "acme:db/rows@1.0.0", "offered": false, "remedy": compose },
            { "name": "wasi:clocks/wall-clock@0.1.0", "offered": false, "remedy": other("wasi:clocks/wall-clock@0.2.12") },
            { "name": "wasi:keyvalue/store@0.2.0-draft", "offered": false, "remedy": other("wasi:keyvalue/store@0.2.0-draft2") },
            { "name": "taffrail:workers/console@0.7.0", "offered": false, "remedy": other("taffrail:workers/console@0.2.0") },
        ])
    );
    let plain = folder.run(&["check", "w"]);
    let missing = format!("  missing       acme:db/rows@1.0.0: {compose}\n");
    assert!(plain.stdout.contains(&missing), "{}", plain.stdout);
    assert!(plain.stdout.ends_with("  deploys       no\n"));
    assert_eq!(plain.code, Some(1));
}

#[test]
fn memories_over_the_limit_are_warned_of() {
    let module = "(core module (memory 1000 2000)) (core module (memory 1049))";
    let (report, finished) = checked(&text(&handler(module)), "w");
    assert_eq!(
        report["memories"],
        json!([
            { "min": 1000 << 16, "max": 2000 << 16 },
            { "min": 1049 << 16, "max": null },
        ])
    );
    let warning = "its memories have 128.1 MiB at the start, and the limit is 128.0 MiB: every event will fail. Build it with less, or set `taffrail.memory_mb`";
    assert_eq!(report["warnings"], json!([warning]));
    assert!(
        finished
            .stderr
            .starts_with(&format!("warning: {warning}\n"))
    );
}

#[test]
fn debug_information_is_found_inside_and_beside() {
    let dwarf = r#"(core module (@custom ".debug_info" "") (func))"#;
    let (report, _) = checked(&text(&handler(dwarf)), "w");
    assert_eq!(
        report["debugInfo"],
        json!({ "file": null, "problem": null })
    );

    let folder = text(&handler("(core module (func))"));
    let (report, _) = checked(&folder, "w");
    assert_eq!(report["debugInfo"], Value::Null);

    folder.write("w/w.debug.wasm", "");
    let (report, finished) = checked(&folder, "w");
    assert_eq!(report["debugInfo"]["file"], "w/w.debug.wasm");
    let problem = report["debugInfo"]["problem"].as_str().unwrap();
    let warning = format!("warning: no lines in stacks from `w/w.debug.wasm`: {problem}\n");
    assert!(finished.stderr.starts_with(&warning), "{}", finished.stderr);
}

#[test]
fn a_file_that_is_no_component_has_a_report_too() {
    let folder = Folder::new();
    folder.write("w.wasm", b"\0asm\x01\0\0\0");
    let (report, finished) = checked(&folder, "w.wasm");
    assert_eq!(finished.code, Some(1));
    assert_eq!(
        (&report["kind"], &report["bytes"]),
        (&Value::Null, &json!(8))
    );
    let error = report["error"].as_str().unwrap();
    assert_eq!(finished.stderr, format!("error: {error}\n"));
    assert!(error.starts_with(
        "w.wasm: Worker `w` cannot run: it is a core WebAssembly module, not a component. Build it for"
    ));
}

#[test]
fn a_file_of_100_mb_is_read_once_and_judged() {
    let folder = Folder::new();
    let file = std::fs::File::create(folder.path().join("w.wasm")).unwrap();
    file.set_len(100 << 20).unwrap();
    let (report, finished) = checked(&folder, "w.wasm");
    assert_eq!(
        (finished.code, &report["bytes"]),
        (Some(1), &json!(100 << 20))
    );
    assert!(
        finished
            .stderr
            .contains("its first bytes are not those of one")
    );
}

#[test]
fn names_in_a_component_do_nothing_to_a_terminal() {
    let producers = "\u{1}\u{c}processed-by\u{1}\u{5}\u{1b}[31m\u{1}1";
    let bytes: String = producers
        .bytes()
        .map(|byte| format!("\\{byte:02x}"))
        .collect();
    let module = format!(r#"(core module (@custom "producers" "{bytes}"))"#);
    let finished = text(&handler(&module)).run(&["check", "w"]);
    assert!(
        finished.stdout.contains("  tools         \\u{1b}[31m 1\n"),
        "{}",
        finished.stdout
    );
}

/// `check` and deployment say the same of every guest of the tests, and of
/// components that are refused for each reason.
#[tokio::test(flavor = "multi_thread")]
async fn check_and_deployment_agree() {
    let guests = [
        "hello",
        "hello-p3",
        "faulty",
        "tail-log",
        "tail-http",
        "probe",
        "probe-p3",
        "tail-probe",
        "hostile",
    ];
    for guest in guests {
        let folder = Folder::new();
        folder.worker("w", guest, "");
        agree(&folder, true).await;
    }
    let program = r#"(component
        (instance $run)
        (export "wasi:cli/run@0.2.0" (instance $run)))"#;
    let other_tail = r#"(component
        (instance $tail)
        (export "taffrail:workers/tail@0.3.0" (instance $tail)))"#;
    let unknown = handler(r#"(import "acme:db/rows@1.0.0" (instance (export "f" (func))))"#);
    let wrong_type = handler(
        r#"(import "wasi:cli/environment@0.2.3" (instance
            (export "get-arguments" (func (result u8)))))"#,
    );
    for refused in [
        program,
        other_tail,
        &unknown,
        &wrong_type,
        &handler(""),
        "(component)",
        "(module)",
    ] {
        agree(&text(refused), false).await;
    }
}

async fn agree(folder: &Folder, deploys: bool) {
    folder.worker("first", "hello", "");
    let deployed = Scenario::try_of(folder, &["first", "w"]).await;
    let place = format!("{}/", folder.path().display());
    let refused = deployed.err();
    let refused = refused.map(|error| format!("{error:#}").replace(&place, ""));
    let command = folder.taffrail(&["check", "w", "--json"]);
    let finished = tokio::task::spawn_blocking(move || run(command));
    let finished = finished.await.unwrap();
    let report: Value = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!(report["deploys"], deploys, "{report:#}");
    assert_eq!(report["error"], json!(refused));
    assert_eq!(finished.code, Some(i32::from(!deploys)));
    let missing = report["imports"]
        .as_array()
        .is_some_and(|imports| imports.iter().any(|import| import["offered"] == false));
    assert!(!(deploys && missing), "{report:#}");
}

#[test]
fn the_world_is_printed_in_wit() {
    let folder = Folder::new();
    folder.worker("w", "tail-log", "");
    let finished = folder.run(&["check", "w", "--wit"]);
    assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), ""));
    for text in [
        "export taffrail:workers/tail@0.2.0;",
        "import taffrail:workers/context@0.2.0;",
        "package taffrail:workers@0.2.0 {",
        "record trace-item {",
    ] {
        assert!(
            finished.stdout.contains(text),
            "{text}: {}",
            finished.stdout
        );
    }
    let (report, _) = checked(&folder, "w");
    let wit = report["wit"].as_str().unwrap();
    assert_eq!(wit.trim_end(), finished.stdout.trim_end());

    folder.script("s", "export default {}", "");
    let finished = folder.run(&["check", "s", "--wit"]);
    assert_eq!((finished.code, finished.stdout.as_str()), (Some(1), ""));
    assert!(
        finished
            .stderr
            .contains("is a script, and only a component has a world; build one: taffrail build s"),
        "{}",
        finished.stderr
    );
}
