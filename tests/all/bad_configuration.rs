//! What a user is told who got a path, a configuration file or a port wrong.

use std::net::TcpListener;
use taffrail_tests::folder::Folder;
use taffrail_tests::scenario::refused;

const SMALLEST: &str = "name = \"w\"\nmain = \"w.wasm\"\n";

/// Every command refuses the same in the same words, and does nothing else.
#[track_caller]
fn check(folder: &Folder, paths: &[&str], message: &str) {
    for command in [
        &["invoke"][..],
        &["serve", "--port=0"],
        &["dev", "--port=0"],
    ] {
        let finished = folder.run(&[command, paths].concat());
        assert_eq!(finished.stderr, format!("{message}\n"), "{command:?}");
        assert_eq!((finished.code, finished.stdout.as_str()), (Some(1), ""));
    }
}

/// These Workers are refused.
async fn check_refused(folder: &Folder, paths: &[&str], message: &str) {
    assert_eq!(refused(folder, paths).await, message);
}

/// The same for one Worker whose configuration file has this text.
async fn check_file(name: &str, text: &str, message: &str) {
    let folder = Folder::new();
    folder.write(&format!("w/{name}"), text);
    check_refused(&folder, &["w"], message).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_that_leads_nowhere() {
    check_refused(
        &Folder::new(),
        &["nowhere"],
        "nowhere: no such path; give a Worker's directory, its wrangler.json, wrangler.jsonc or wrangler.toml, a .wasm component, a .js, .mjs or .ts script, or a source file in Python (.py), Go (.go), C (.c) or C++ (.cc, .cpp, .cxx)",
    ).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_without_a_configuration_file() {
    let none = "w: no wrangler.json, wrangler.jsonc or wrangler.toml in this directory;";
    for (files, next) in [
        (
            &["README.md"][..],
            "add one, or give the .wasm component or the script itself; for a new Worker: taffrail init w --lang LANGUAGE",
        ),
        (
            &["entry.py"],
            "add one whose `main` is `entry.py`, or give the file itself: taffrail check w/entry.py",
        ),
        (
            &["worker.js", "entry.py"],
            "add one whose `main` is `entry.py` or `worker.js`, or give the file itself: taffrail check w/entry.py",
        ),
        (
            &["Cargo.toml"],
            "for its Cargo.toml, add one with `main = \"target/wasm32-wasip2/release/NAME.wasm\"` and `build.command = \"cargo build --release --target wasm32-wasip2\"`",
        ),
    ] {
        let folder = Folder::new();
        for file in files {
            folder.write(&format!("w/{file}"), "");
        }
        check_refused(&folder, &["w"], &format!("{none} {next}")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_another_kind() {
    let folder = Folder::new();
    folder.write("worker.rb", "def tail(): pass");
    check_refused(
        &folder,
        &["worker.rb"],
        "worker.rb: neither a configuration file (.toml, .json, .jsonc), nor a .wasm component, nor a script (.js, .mjs, .ts), nor a source file in Python (.py), Go (.go), C (.c) or C++ (.cc, .cpp, .cxx)",
    ).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_toml() {
    check_file(
        "wrangler.toml",
        "name = \"w\"\n[vars\nA = 1\n",
        "w/wrangler.toml:2:6: unclosed table, expected `]`",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_json() {
    for name in ["wrangler.json", "wrangler.jsonc"] {
        let message = format!("w/{name}:3:14: Expected comma");
        let text = "{\n  // who\n  \"name\": \"w\"\n  \"main\": \"w.wasm\"\n}\n";
        check_file(name, text, &message).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_without_main() {
    check_file(
        "wrangler.toml",
        "name = \"w\"\n",
        "w/wrangler.toml: `main` is missing; set it, for example: main = \"build/worker.wasm\"",
    )
    .await;
    check_file(
        "wrangler.json",
        r#"{ "name": "w" }"#,
        r#"w/wrangler.json: `main` is missing; set it, for example: "main": "build/worker.wasm""#,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_of_the_wrong_type() {
    check_file(
        "wrangler.toml",
        &format!("{SMALLEST}limits.cpu_ms = \"fast\"\n"),
        "w/wrangler.toml: `limits.cpu_ms`: invalid type: string \"fast\", expected a whole number from 1 to 300000",
    ).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_key() {
    for (key, advice) in [
        (
            "tail_consumer = []",
            "unknown key `tail_consumer`; did you mean `tail_consumers`?",
        ),
        (
            "cpu_ms = 10",
            "unknown key `cpu_ms`; `cpu_ms` belongs in `limits`",
        ),
        (
            "frobnicate = 1",
            "unknown key `frobnicate`; neither Wrangler nor Taffrail has such a key",
        ),
    ] {
        let message = format!("w/wrangler.toml: {advice}");
        check_file("wrangler.toml", &format!("{SMALLEST}{key}\n"), &message).await;
    }
}

#[test]
fn an_unknown_environment() {
    let folder = Folder::new();
    folder.write(
        "w/wrangler.toml",
        format!("{SMALLEST}[env.staging]\n[env.live]\n"),
    );
    check(
        &folder,
        &["w", "--env=prod"],
        "error: w/wrangler.toml: there is no environment `prod`; it defines `live`, `staging`",
    );
}

#[test]
fn a_key_that_only_wrangler_supports_is_a_warning() {
    let folder = Folder::new();
    folder.worker(
        "w",
        "hello",
        "routes = [\"example.com/*\"]\n[[d1_databases]]\nbinding = \"KV\"",
    );
    let finished = folder.run(&["invoke", "w", "--items", "items"]);
    assert_eq!(
        (finished.code, finished.stdout.as_str()),
        (Some(0), "Hello from /\n")
    );
    assert_eq!(
        finished.stderr,
        "warning: w/wrangler.toml: `d1_databases` is not supported by Taffrail yet and is ignored\n\
         warning: w/wrangler.toml: `routes` is not supported by Taffrail yet and is ignored\n"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn two_workers_of_one_name() {
    let folder = Folder::new();
    folder
        .write("v/wrangler.toml", SMALLEST)
        .write("w/wrangler.toml", SMALLEST);
    check_refused(
        &folder,
        &["v", "w"],
        "two Workers are named `w`: v/wrangler.toml and w/wrangler.toml; give each Worker once and under a `name` of its own",
    ).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tail_consumer_that_is_not_among_the_workers() {
    let folder = Folder::new();
    folder
        .worker("w", "hello", "tail_consumers = [{ service = \"logs\" }]")
        .worker("v", "hello", "");
    check_refused(
        &folder,
        &["w", "v"],
        "w/wrangler.toml: `tail_consumers` of Worker `w` has the service `logs`, which is not among the Workers given (`w`, `v`); pass its directory too",
    ).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tail_consumers_in_a_circle() {
    let folder = Folder::new();
    folder
        .worker("a", "hello", "tail_consumers = [{ service = \"b\" }]")
        .worker("b", "tail-log", "tail_consumers = [{ service = \"a\" }]");
    check_refused(
        &folder,
        &["a", "b"],
        "the tail consumers form a cycle: a → b → a; remove one of them from the `tail_consumers` in b/wrangler.toml or a/wrangler.toml",
    ).await;
}

#[test]
fn a_build_command_that_fails() {
    let folder = Folder::new();
    folder.write(
        "w/wrangler.toml",
        format!("{SMALLEST}[build]\ncommand = \"echo compiling; echo no such type >&2; exit 3\"\n"),
    );
    check(
        &folder,
        &["w"],
        "Building w with `echo compiling; echo no such type >&2; exit 3`\n\
         compiling\n\
         no such type\n\
         error: w/wrangler.toml: `build.command` failed with exit status: 3; its output is above",
    );
}

#[test]
fn a_build_command_in_a_folder_that_does_not_exist() {
    let folder = Folder::new();
    folder.write(
        "w/wrangler.toml",
        format!("{SMALLEST}[build]\ncommand = \"make\"\ncwd = \"guest\"\n"),
    );
    check(
        &folder,
        &["w"],
        "Building w with `make`\n\
         error: w/wrangler.toml: `build.command` cannot be run in `w/guest`: No such file or directory (os error 2); check `build.cwd`",
    );
}

#[test]
fn a_port_in_use() {
    let folder = Folder::new();
    folder.worker("w", "hello", "");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let port = address.port().to_string();
    for command in ["serve", "dev"] {
        let finished = folder.run(&[command, "w", "--port", &port]);
        assert_eq!(
            finished.stderr,
            format!(
                "error: cannot listen on {address}: another program listens there; choose another port with `--port`, or any free one with `--port 0`\n"
            )
        );
        assert_eq!((finished.code, finished.stdout.as_str()), (Some(1), ""));
    }
}

#[test]
fn an_address_that_this_machine_has_not() {
    let folder = Folder::new();
    folder.worker("w", "hello", "");
    // An address for documentation: RFC 5737.
    let finished = folder.run(&["serve", "w", "--ip", "192.0.2.1", "--port", "8787"]);
    assert_eq!(
        finished.stderr,
        "error: cannot listen on 192.0.2.1:8787: this machine has no such address; choose another address with `--ip`\n"
    );
    assert_eq!(finished.code, Some(1));
}
