//! What a user is told whose component cannot be run.

use taffrail_tests::folder::Folder;
use taffrail_tests::scenario::refused;

/// The Worker is refused, with `reason` behind its name.
async fn check(component: &[u8], reason: &str) {
    let folder = Folder::new();
    folder
        .write("w/wrangler.toml", "name = \"w\"\nmain = \"built/w.wasm\"\n")
        .write("w/built/w.wasm", component);
    let message = format!(
        "w/wrangler.toml: `main` is `w/built/w.wasm`, which Worker `w` cannot run: {reason}"
    );
    assert_eq!(refused(&folder, &["w"]).await, message);
}

/// The same for a component in text form.
async fn check_text(component: &str, reason: &str) {
    check(&wat::parse_str(component).unwrap(), reason).await;
}

const CORE_MODULE: &str = "it is a core WebAssembly module, not a component. Build it for the target `wasm32-wasip2`, or make a component of it with `wasm-tools component new MODULE -o COMPONENT` (add `--adapt` with the WASI preview 1 adapter if it was built for `wasm32-wasip1`)";

#[test]
fn no_file() {
    let folder = Folder::new();
    let text = "name = \"w\"\nmain = \"built/w.wasm\"\n";
    folder.write("w/wrangler.toml", text);
    let finished = folder.run(&["invoke", "w"]);
    assert_eq!(
        finished.stderr,
        "error: w/wrangler.toml: `main` is `w/built/w.wasm`, which cannot be read: No such file or directory (os error 2); build it first, or set `build.command`\n"
    );
    assert_eq!(finished.code, Some(1));

    folder.write(
        "w/wrangler.toml",
        format!("{text}build.command = \"true\"\n"),
    );
    let finished = folder.run(&["invoke", "w"]);
    assert_eq!(
        finished.stderr,
        "Building w with `true`\n\
         error: w/wrangler.toml: `main` is `w/built/w.wasm`, which cannot be read: No such file or directory (os error 2); `build.command` (`true`) did not create it\n"
    );
    assert_eq!(finished.code, Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_another_kind() {
    let reason = "it is not a WebAssembly component: its first bytes are not those of one. Use the .wasm file that a build for the target `wasm32-wasip2` makes";
    check(b"export default {}", reason).await;
    let reason = "it is an empty file, not a WebAssembly component. Build it again";
    check(b"", reason).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_core_module() {
    check(b"\0asm\x01\0\0\0", CORE_MODULE).await;
}

#[test]
fn a_worker_without_a_configuration() {
    let folder = Folder::new();
    folder.write("w.wasm", b"\0asm\x01\0\0\0");
    let finished = folder.run(&["invoke", "w.wasm"]);
    let message = format!("error: w.wasm: Worker `w` cannot run: {CORE_MODULE}\n");
    assert_eq!((finished.code, finished.stderr), (Some(1), message));
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_component() {
    check(
        b"\0asm\x0d\0\x01\0\x07\xff",
        "the component is damaged: unexpected end-of-file (at offset 0xa). Build it again",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_component() {
    check_text(
        r#"(component (export "wasi:http/incoming-handler@0.2.0" (instance 7)))"#,
        "the component is invalid: failed to parse WebAssembly module: unknown instance 7: instance index out of bounds (at offset 0xb). Build it again",
    ).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn imports_that_nothing_provides() {
    check_text(
        r#"(component
            (import "wasi:cli/environment@0.2.3" (instance
                (export "get-arguments" (func (result (list string))))))
            (import "acme:db/rows@1.0.0" (instance (export "open" (func))))
            (import "wasi:clocks/wall-clock@0.3.0-rc-2025-09-16" (instance
                (export "now" (func (result u64)))))
            (import "read-row" (func))
            (import "wasi:keyvalue/store@0.2.0-draft2" (instance))
            (import "wasi:keyvalue/atomics@0.2.0-draft2" (instance (export "increment" (func))))
            (import "acme:db/types@1.0.0" (instance (type $row (record (field "id" u8))) (export "row" (type (eq $row)))))
            (instance $handler)
            (export "wasi:http/incoming-handler@0.2.0" (instance $handler)))"#,
        "it imports `acme:db/rows@1.0.0`, `wasi:clocks/wall-clock@0.3.0-rc-2025-09-16`, `read-row`, `wasi:keyvalue/atomics@0.2.0-draft2`, which Taffrail does not provide. It provides the releases of WASI 0.2 and 0.3, `wasi:config/store`, `wasi:keyvalue/store`, `wasi:logging/logging` and `taffrail:workers`: build the component without other imports, or compose it with components that export them (`wac plug`)",
    ).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hundreds_of_imports_that_nothing_provides() {
    let imports = |count: usize| {
        (0..count)
            .map(|n| format!("(import \"acme:db/t{n}@0.2.0\" (instance (export \"f\" (func))))"))
            .collect::<String>()
    };
    let names: Vec<_> = (0..16).map(|n| format!("`acme:db/t{n}@0.2.0`")).collect();
    for (count, more) in [(16, ""), (900, " and others")] {
        let text = format!(
            r#"(component {}
                (instance $handler)
                (export "wasi:http/incoming-handler@0.2.0" (instance $handler)))"#,
            imports(count)
        );
        let names = names.join(", ");
        check_text(&text, &format!("it imports {names}{more}, which Taffrail does not provide. It provides the releases of WASI 0.2 and 0.3, `wasi:config/store`, `wasi:keyvalue/store`, `wasi:logging/logging` and `taffrail:workers`: build the component without other imports, or compose it with components that export them (`wac plug`)")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_of_another_type() {
    check_text(
        r#"(component
            (import "wasi:cli/environment@0.2.3" (instance
                (export "get-arguments" (func (result u8)))))
            (instance $handler)
            (export "wasi:http/incoming-handler@0.2.0" (instance $handler)))"#,
        "an import does not have the type that its name requires: component imports instance `wasi:cli/environment@0.2.3`, but a matching implementation was not found in the linker: instance export `get-arguments` has the wrong type: type mismatch with results: expected `list` found `u8`. Build it with the bindings of a release of WASI 0.2 or 0.3 and of `taffrail:workers` 0.2",
    ).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_handler() {
    let what = "A Worker exports `wasi:http/incoming-handler@0.2.x` or `wasi:http/handler@0.3.x` to answer requests, a Tail Worker exports `taffrail:workers/tail@0.2.0`, others `taffrail:workers/scheduled@0.2.0`, `queue@0.2.0` or `streaming-tail@0.2.0`";
    check_text(
        "(component)",
        &format!("it has no handler: it exports nothing. {what}"),
    )
    .await;
    check_text(
        r#"(component
            (instance $run)
            (export "wasi:cli/run@0.2.0" (instance $run))
            (export "acme:db/rows@1.0.0" (instance $run)))"#,
        &format!(
            "it is a command-line program: it exports `wasi:cli/run@0.2.0`, `acme:db/rows@1.0.0`. {what}"
        ),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_of_another_type() {
    check_text(
        r#"(component
            (instance $handler)
            (export "wasi:http/incoming-handler@0.2.0" (instance $handler)))"#,
        "an exported handler does not have the type that its name requires: instance export `wasi:http/incoming-handler@0.2.12` does not have export `handle`. Build it with the bindings of a release of WASI 0.2 or 0.3 and of `taffrail:workers` 0.2",
    ).await;
}

#[test]
fn a_tail_worker_in_the_first_place() {
    let folder = Folder::new();
    folder.worker("t", "tail-log", "").worker("w", "hello", "");
    let finished = folder.run(&["invoke", "t", "w"]);
    assert_eq!(
        finished.stderr,
        "error: t/wrangler.toml: Worker `t` is given first, so it should answer requests, but its component exports no `wasi:http` handler; give the Worker that does as the first path\n"
    );
    assert_eq!((finished.code, finished.stdout.as_str()), (Some(1), ""));
}

#[test]
fn a_tail_consumer_that_is_no_tail_worker() {
    let folder = Folder::new();
    folder
        .worker("w", "hello", "tail_consumers = [{ service = \"v\" }]")
        .worker("v", "hello", "");
    let finished = folder.run(&["invoke", "w", "v", "--items", "items"]);
    assert_eq!(
        finished.stderr,
        "warning: w/wrangler.toml: `tail_consumers` names `v`, whose component does not export `taffrail:workers/tail`: every delivery to it will fail\n"
    );
    assert_eq!(
        (finished.code, finished.stdout.as_str()),
        (Some(0), "Hello from /\n")
    );
    let items = std::fs::read_to_string(folder.path().join("items")).unwrap();
    assert!(
        items.contains("did you remember to export a tail() function?"),
        "{items}"
    );
}
