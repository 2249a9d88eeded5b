//! The terminal, the files and the ports of the user who runs Taffrail.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use taffrail_tests::client::Client;
use taffrail_tests::process::{Folder, Server, run};

const FORGER: &str = "export default {
  fetch(request, env) {
    console.log('x\\nGET http://bank/ - Ok @ 2026-11-21 01:43:18\\n  (log) \\u001b]52;c;aGk=\\u0007\\u202e\\u009b2J');
    throw new Error('y\\nwarning: z\\u001b[2J');
  },
  async scheduled(event) { console.log(event.cron); },
};";

fn is_harmless(text: &str) -> bool {
    !text
        .chars()
        .any(|c| c.is_control() && c != '\n' && c != '\t' || ('\u{202a}'..='\u{202e}').contains(&c))
}

#[test]
fn a_worker_does_not_write_to_the_terminal_of_its_user() {
    let folder = Folder::new();
    folder.script("w", FORGER, "");
    let finished = folder.run(&["invoke", "w"]);
    assert_eq!(finished.code, Some(3));
    assert!(is_harmless(&finished.stderr), "{:?}", finished.stderr);
    let forged = |line: &str| line.starts_with("GET http://bank/") || line.starts_with("warning");
    assert!(!finished.stderr.lines().any(forged), "{}", finished.stderr);
    assert!(finished.stderr.contains("\\u{1b}]52;c;aGk=\\u{7}"));
}

#[test]
fn a_configuration_does_not_write_to_the_terminal_either() {
    let folder = Folder::new();
    folder.write(
        "w/wrangler.toml",
        "name = \"w\"\nmain = \"a\\u001b[2J\\nerror: forged.wasm\"\n[build]\ncommand = \"true \\u0007\"\n",
    );
    let finished = folder.run(&["invoke", "w"]);
    assert_eq!(finished.code, Some(1));
    assert!(is_harmless(&finished.stderr), "{:?}", finished.stderr);
    let errors = finished.stderr.lines();
    let errors = errors.filter(|line| line.starts_with("error")).count();
    assert_eq!(errors, 1, "{}", finished.stderr);
}

fn triggered(server: &Server, query: &str, headers: &str) -> u16 {
    let mut client = Client::connect(server.address);
    client.send(format!(
        "GET /cdn-cgi/handler/scheduled?{query} HTTP/1.1\r\n{headers}\r\n"
    ));
    client.answer().status
}

#[test]
fn only_the_developer_starts_events() {
    let folder = Folder::new();
    folder.script("w", FORGER, "");
    let server = folder.start(&["dev", "w", "--format", "json"]);
    let own = format!("host: {}\r\n", server.address);
    let good = "cron=*+*+*+*+*";
    assert_eq!(triggered(&server, good, &own), 200);
    assert_eq!(server.item()["event"]["cron"], "* * * * *");
    assert_eq!(triggered(&server, good, "host: evil.example\r\n"), 403);
    let foreign = format!("{own}origin: https://evil.example\r\n");
    assert_eq!(triggered(&server, good, &foreign), 403);
    let foreign = format!("{own}sec-fetch-site: cross-site\r\n");
    assert_eq!(triggered(&server, good, &foreign), 403);
    assert_eq!(triggered(&server, "cron=%1b]52;c;aGk=%07", &own), 400);
    // What is the Worker's own is no affair of the server.
    let mut client = Client::connect(server.address);
    client.send("GET /mine HTTP/1.1\r\nhost: evil.example\r\norigin: https://evil.example\r\n\r\n");
    assert_eq!(client.answer().status, 500);
    assert_eq!(
        server.item()["event"]["request"]["url"],
        "http://evil.example/mine"
    );
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_control_socket_takes_no_place_of_anything_else() {
    let folder = Folder::new();
    folder.worker("w", "hello", "").write("precious", "data");
    let refused = folder.run(&["serve", "w", "--port", "0", "--control", "precious"]);
    assert_eq!(refused.code, Some(1));
    assert!(
        refused.stderr.contains("`--control precious`: "),
        "{}",
        refused.stderr
    );
    let precious = folder.path().join("precious");
    assert_eq!(fs::read(&precious).unwrap(), b"data");

    let socket = folder.path().join("control");
    let server = folder.start(&["serve", "w", "--control", "control"]);
    assert_eq!(mode(&socket), 0o600);
    let taken = folder.run(&["serve", "w", "--port", "0", "--control", "control"]);
    assert!(
        taken.stderr.contains("another process listens there"),
        "{}",
        taken.stderr
    );
    assert_eq!(
        folder.run(&["stop", "w", "--control", "control"]).code,
        Some(0)
    );
    assert_eq!(server.get("/").status, 503);
    // One that was left behind by a process that was killed is replaced.
    drop(server);
    assert!(socket.exists());
    let server = folder.start(&["serve", "w", "--control", "control"]);
    assert_eq!(
        folder.run(&["stop", "w", "--control", "control"]).code,
        Some(0)
    );
    assert_eq!(server.terminate().code, Some(0));
    assert!(!socket.exists());
}

#[test]
fn programs_are_not_run_from_where_others_may_write() {
    let folder = Folder::new();
    folder.worker("w", "hello", "");
    let cache = folder.path().join("cache/taffrail");
    fs::create_dir_all(&cache).unwrap();
    let invoke = || {
        let mut command = folder.taffrail(&["invoke", "w"]);
        command.env("XDG_CACHE_HOME", folder.path().join("cache"));
        run(command)
    };
    fs::set_permissions(&cache, fs::Permissions::from_mode(0o777)).unwrap();
    let refused = invoke();
    assert_eq!(refused.code, Some(1));
    let message = format!("error: other users may write to `{}`", cache.display());
    assert!(refused.stderr.starts_with(&message), "{}", refused.stderr);
    fs::set_permissions(&cache, fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(invoke().code, Some(0));
}

const SAY: &str = "export default { fetch(request, env) {
  return new Response(`${env.A} ${env.B} ${env.C}`);
} };";

#[test]
fn secrets_come_from_files() {
    let folder = Folder::new();
    folder
        .script(
            "w",
            SAY,
            "vars = { A = \"config\", B = \"config\", C = \"config\" }",
        )
        .write("w/.dev.vars", "B=dev$HOME\nC=dev\n")
        .write("w/.dev.vars.live", "B='live'\n")
        .write("secrets", "w.C=file\n");
    let said = |more: &[&str]| {
        let finished = folder.run(&[&["invoke", "w"], more].concat());
        assert_eq!(finished.code, Some(0), "{}", finished.stderr);
        finished.stdout
    };
    assert_eq!(said(&[]), "config dev$HOME dev");
    assert_eq!(said(&["--var-file", "secrets"]), "config dev$HOME file");
    let all = ["--var-file", "secrets", "--var", "C:line"];
    assert_eq!(said(&all), "config dev$HOME line");
    assert_eq!(said(&["--env", "live"]), "config live config");
    let server = folder.start(&["serve", "w"]);
    assert_eq!(server.get("/").body, "config config config");
}

#[test]
fn a_file_of_secrets_is_never_shown() {
    let folder = Folder::new();
    folder
        .script("w", SAY, "")
        .write("w/.dev.vars", "A=1\nhunter2\n");
    let refused = folder.run(&["invoke", "w"]);
    assert_eq!(
        refused.stderr,
        "error: w/.dev.vars:2: expected KEY=VALUE, or a comment that begins with #\n"
    );
    let refused = folder.run(&["invoke", "w", "--var-file", "nowhere"]);
    assert_eq!(
        refused.stderr,
        "error: w/.dev.vars:2: expected KEY=VALUE, or a comment that begins with #\n"
    );
    folder
        .write("w/.dev.vars", "")
        .write("bad", "x.A=hunter2\n");
    let refused = folder.run(&["invoke", "w", "--var-file", "bad"]);
    assert_eq!(
        refused.stderr,
        "error: bad:1: no Worker is named `x`; the Workers given are `w`\n"
    );
}

#[test]
fn dev_notices_a_change_of_its_secrets() {
    let folder = Folder::new();
    folder.script("w", SAY, "").write("w/.dev.vars", "A=1\n");
    let server = folder.start(&["dev", "w"]);
    assert_eq!(server.get("/").body, "1 undefined undefined");
    folder.write("w/.dev.vars", "A=2\n");
    server.until_stderr("Reloaded w");
    assert_eq!(server.get("/").body, "2 undefined undefined");
}

const COUNT: &str = "export default { async fetch(request, env) {
  await env.KV?.put('key', 'value');
  return new Response(await env.KV?.get('key'));
} };";

#[test]
fn what_workers_keep_is_for_one_process_at_a_time() {
    let folder = Folder::new();
    let kv = "kv_namespaces = [{ binding = \"KV\", id = \"abc\" }]";
    folder.script("w", COUNT, kv);
    let server = folder.start(&["dev", "w"]);
    assert_eq!(server.get("/").body, "value");
    assert_eq!(mode(&folder.path().join("w/.taffrail")), 0o700);
    let refused = folder.run(&["invoke", "w"]);
    assert_eq!(refused.code, Some(1));
    let message = format!(
        "error: `w/.taffrail` is in use by the process {},",
        server.id()
    );
    assert!(refused.stderr.starts_with(&message), "{}", refused.stderr);
    // Nothing is in the way of one that keeps nothing.
    folder.script("w", COUNT, "");
    assert_eq!(folder.run(&["invoke", "w"]).code, Some(0));
    folder.script("w", COUNT, kv);
    // However the process ends.
    drop(server);
    assert_eq!(folder.run(&["invoke", "w"]).stdout, "value");
}
