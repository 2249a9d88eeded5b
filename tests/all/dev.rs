//! `taffrail dev`: the record as `wrangler tail` shows it, and Workers that
//! change while they are served.

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::thread;
use taffrail_tests::client::Client;
use taffrail_tests::guests;
use taffrail_tests::process::{Folder, Server};

/// A Worker whose build copies the component that its source names.
fn copied(guest: &str) -> Folder {
    let folder = Folder::new();
    configure(&folder, "Hello");
    name_component(&folder, guest);
    folder
}

fn configure(folder: &Folder, greeting: &str) {
    folder.write(
        "w/wrangler.toml",
        format!(
            "name = \"w\"\nmain = \"built/w.wasm\"\nvars = {{ GREETING = \"{greeting}\" }}\n\
             [build]\ncommand = \"mkdir -p built && cp $(cat src/component) built/w.wasm\"\n"
        ),
    );
}

fn name_component(folder: &Folder, guest: &str) {
    let component = guests::component(guest);
    folder.write("w/src/component", component.to_str().unwrap());
}

/// A Worker whose component the test puts in place.
fn placed(guest: &str) -> Folder {
    let folder = Folder::new();
    folder.write("w/wrangler.toml", "name = \"w\"\nmain = \"w.wasm\"\n");
    place(&folder, guest);
    folder
}

fn place(folder: &Folder, guest: &str) {
    folder.write("w/w.wasm", fs::read(guests::component(guest)).unwrap());
}

const HELLO: (u16, &str) = (200, "Hello from /\n");

fn body(server: &Server) -> (u16, String) {
    let answer = server.get("/");
    (answer.status, answer.body)
}

#[track_caller]
fn assert_hello(server: &Server) {
    let (status, body) = body(server);
    assert_eq!((status, body.as_str()), HELLO);
}

#[track_caller]
fn assert_faulty(server: &Server) {
    let (status, body) = body(server);
    assert!(
        status == 200 && body.starts_with("/panic "),
        "{status} {body}"
    );
}

/// The next lines on stdout, with noughts for the digits of dates.
fn shown(server: &Server, lines: usize) -> Vec<String> {
    let undated = |line: String| match line.rsplit_once(" @ ") {
        Some((event, date)) => {
            let date = date.replace(|c: char| c.is_ascii_digit(), "0");
            format!("{event} @ {date}")
        }
        None => line,
    };
    (0..lines)
        .map(|_| undated(server.until_stdout("")))
        .collect()
}

#[test]
fn what_happens_is_shown_as_wrangler_tail_shows_it() {
    let folder = Folder::new();
    folder.worker("w", "probe", "limits.cpu_ms = 20");
    let server = folder.start(&["dev", "w"]);

    let secret = "0123456789abcdef0123456789abcdef";
    assert_eq!(server.get(&format!("/output/console?{secret}")).status, 200);
    assert_eq!(
        shown(&server, 7),
        [
            "GET http://localhost/output/console?REDACTED - Ok @ 0000-00-00 00:00:00",
            "  (debug) debugging",
            "  (info) 1 2.5 null true",
            "  (log) {\"user\":{\"id\":7},\"tags\":[\"a\",\"b\"]}",
            "  (warn) not json {broken 3",
            "  (error) {   \"a\": 1,    \"b\": \"c\\nd\" }",
            "  (log)",
        ]
    );

    assert_eq!(server.get("/output/uncaught").status, 200);
    assert_eq!(
        shown(&server, 3),
        [
            "GET http://localhost/output/uncaught - Exception Thrown @ 0000-00-00 00:00:00",
            "  TypeError: x is not a function",
            "    at handler (app.js:1:2)",
        ]
    );

    assert_eq!(server.get("/work/loop").status, 503);
    assert_eq!(
        shown(&server, 1),
        ["GET http://localhost/work/loop - Exceeded CPU Limit @ 0000-00-00 00:00:00"]
    );
}

#[test]
fn the_tail_workers_own_invocation_is_shown_too() {
    let folder = Folder::new();
    folder
        .worker("w", "hello", "tail_consumers = [{ service = \"t\" }]")
        .worker("t", "tail-probe", "vars = { MODE = \"quiet\" }");
    let server = folder.start(&["dev", "w", "t"]);
    assert_hello(&server);
    let mut lines = shown(&server, 3);
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            "  (log) Hello, GET /",
            "GET http://localhost/ - Ok @ 0000-00-00 00:00:00",
            "Tailing w - Ok @ 0000-00-00 00:00:00",
        ]
    );
}

#[test]
fn a_developer_is_told_what_went_wrong_in_the_worker() {
    let folder = Folder::new();
    folder.worker("w", "faulty", "");
    let server = folder.start(&["dev", "w"]);
    let answer = server.get("/panic");
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (500, "panic: asked to panic\n")
    );
}

#[test]
fn a_changed_source_is_built_and_takes_over() {
    let folder = copied("hello");
    let server = folder.start(&["dev", "w"]);
    assert_hello(&server);
    name_component(&folder, "faulty");
    server.until_stderr("Building w with `");
    assert_eq!(server.until_stderr("Reloaded"), "Reloaded w");
    assert_faulty(&server);
    name_component(&folder, "hello");
    server.until_stderr("Reloaded w");
    assert_hello(&server);
}

#[test]
fn a_build_that_fails_leaves_the_running_version() {
    let folder = copied("hello");
    let server = folder.start(&["dev", "w"]);
    folder.write("w/src/component", "nowhere.wasm");
    assert_eq!(
        server.until_stderr("cp: "),
        "cp: cannot stat 'nowhere.wasm': No such file or directory"
    );
    assert_eq!(
        server.until_stderr(""),
        "error: w/wrangler.toml: `build.command` failed with exit status: 1; its output is above"
    );
    assert_eq!(server.until_stderr(""), "Keeping the running version of w");
    assert_hello(&server);
    name_component(&folder, "faulty");
    server.until_stderr("Reloaded w");
    assert_faulty(&server);
}

#[test]
fn a_changed_component_takes_over_unless_it_is_broken() {
    let folder = placed("hello");
    let server = folder.start(&["dev", "w"]);
    folder.write("w/w.wasm", "no component");
    let error = server.until_stderr("error: ");
    let start = "error: w/wrangler.toml: `main` is `w/w.wasm`, which Worker `w` cannot run: ";
    assert!(error.starts_with(start), "{error}");
    assert_eq!(server.until_stderr(""), "Keeping the running version of w");
    assert_hello(&server);
    place(&folder, "faulty");
    server.until_stderr("Reloaded w");
    assert_faulty(&server);
}

#[test]
fn a_component_that_answers_no_requests_does_not_take_over() {
    let folder = placed("hello");
    let server = folder.start(&["dev", "w"]);
    place(&folder, "tail-log");
    let error = server.until_stderr("error: ");
    assert!(
        error.contains("its component exports no `wasi:http` handler"),
        "{error}"
    );
    assert_eq!(server.until_stderr(""), "Keeping the running version of w");
    assert_hello(&server);
}

#[test]
fn a_removed_component_is_missed_until_it_comes_back() {
    let folder = placed("hello");
    let server = folder.start(&["dev", "w", "--format", "json"]);
    fs::remove_file(folder.path().join("w/w.wasm")).unwrap();
    assert_eq!(
        server.until_stderr("warning"),
        "warning: Worker `w` is gone: `w/w.wasm` does not exist"
    );
    server.until_stderr("Reloaded w");
    assert_eq!(server.get("/").status, 503);
    assert_eq!(server.item()["outcome"], "scriptNotFound");
    place(&folder, "hello");
    server.until_stderr("Reloaded w");
    assert_hello(&server);
}

#[test]
fn a_removed_folder_is_noticed_when_it_comes_back() {
    let folder = Folder::new();
    folder.write(
        "w/wrangler.toml",
        "name = \"w\"\nmain = \"../out/deep/w.wasm\"\n",
    );
    let place = |guest| {
        let component = fs::read(guests::component(guest)).unwrap();
        folder.write("out/deep/w.wasm", component);
    };
    place("hello");
    let server = folder.start(&["dev", "w"]);
    fs::remove_dir_all(folder.path().join("out")).unwrap();
    server.until_stderr("Worker `w` is gone");
    server.until_stderr("Reloaded w");
    place("faulty");
    server.until_stderr("Reloaded w");
    assert_faulty(&server);
}

#[test]
fn a_changed_configuration_takes_effect_unless_it_is_broken() {
    let folder = copied("hello");
    let server = folder.start(&["dev", "w"]);
    configure(&folder, "Good day");
    server.until_stderr("Reloaded w");
    assert_eq!(body(&server), (200, "Good day from /\n".to_owned()));

    folder.write("w/wrangler.toml", "name = \"w\"\nmain = \n");
    let error = server.until_stderr("error: ");
    assert!(error.starts_with("error: w/wrangler.toml:2:8: "), "{error}");
    assert_eq!(server.until_stderr(""), "Keeping the running configuration");
    assert_eq!(body(&server), (200, "Good day from /\n".to_owned()));

    configure(&folder, "Hello");
    server.until_stderr("Reloaded w");
    assert_hello(&server);
}

#[test]
fn a_changed_build_command_is_run() {
    let folder = copied("hello");
    let server = folder.start(&["dev", "w"]);
    let component = guests::component("faulty");
    folder.write(
        "w/wrangler.toml",
        format!(
            "name = \"w\"\nmain = \"other/w.wasm\"\n[build]\n\
             command = 'mkdir other && cp {component:?} other/w.wasm'\n"
        ),
    );
    server.until_stderr("Reloaded w");
    assert_faulty(&server);
}

#[test]
fn what_a_build_makes_does_not_cause_another_one() {
    let folder = placed("hello");
    folder.worker("v", "hello", "");
    let build = "command = \"echo built >> ../builds && cp $(cat component) w.wasm\"";
    folder.write(
        "w/wrangler.toml",
        format!("name = \"w\"\nmain = \"w.wasm\"\n[build]\nwatch_dir = \".\"\n{build}\n"),
    );
    let name_component = |guest| {
        let component = guests::component(guest);
        folder.write("w/component", component.to_str().unwrap());
    };
    name_component("hello");
    let server = folder.start(&["dev", "w", "v"]);
    name_component("faulty");
    server.until_stderr("Reloaded w");
    // By the time that this is noticed, so is what the build made.
    folder.worker("v", "hello", "vars = { CHANGED = true }");
    server.until_stderr("Reloaded v");
    let builds = fs::read_to_string(folder.path().join("builds")).unwrap();
    assert_eq!(builds.lines().count(), 2);
}

#[test]
fn sigint_ends_it() {
    let folder = placed("hello");
    let server = folder.start(&["dev", "w"]);
    assert_hello(&server);
    server.signal("INT");
    let finished = server.finish();
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    assert!(finished.stdout.starts_with("GET http://localhost/ - Ok @ "));
}

#[test]
fn another_name_of_the_first_worker_needs_a_restart() {
    let folder = placed("hello");
    let server = folder.start(&["dev", "w"]);
    folder.write("w/wrangler.toml", "name = \"v\"\nmain = \"w.wasm\"\n");
    assert_eq!(
        server.until_stderr("warning"),
        "warning: the name of the first Worker changed; restart to serve it"
    );
    assert_hello(&server);
}

/// Ends the threads that look at it, also when a test fails.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

#[test]
fn no_request_is_dropped_when_a_worker_is_swapped() {
    let folder = placed("hello");
    let server = folder.start(&["dev", "w", "--format", "none"]);
    let (stop, served) = (AtomicBool::new(false), AtomicUsize::new(0));
    let hammer = |keep_alive: bool| {
        let mut client = Client::connect(server.address);
        while !stop.load(Relaxed) {
            client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
            assert_eq!(client.answer().status, 200);
            served.fetch_add(1, Relaxed);
            if !keep_alive {
                client = Client::connect(server.address);
            }
        }
    };
    thread::scope(|scope| {
        let stop = Stop(&stop);
        let hammers = [true, false].map(|keep_alive| scope.spawn(move || hammer(keep_alive)));
        for guest in ["faulty", "hello", "faulty", "hello-p3", "hello"] {
            let before = served.load(Relaxed);
            place(&folder, guest);
            server.until_stderr("Reloaded w");
            assert!(served.load(Relaxed) > before, "nothing was asked meanwhile");
        }
        drop(stop);
        for hammer in hammers {
            hammer.join().unwrap();
        }
    });
}

#[test]
fn a_request_under_way_is_finished_by_the_version_that_began_it() {
    let folder = placed("probe");
    let server = folder.start(&["dev", "w"]);
    let mut client = Client::connect(server.address);
    client.send("POST /body/echo HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nab");
    assert_eq!(client.head().status, 200);
    assert_eq!(client.piece(), b"ab");
    place(&folder, "hello");
    server.until_stderr("Reloaded w");
    assert_hello(&server);
    client.send("cd");
    assert_eq!(client.piece(), b"cd");
    assert_eq!(client.piece(), b"");
    // The connection goes on with the new version.
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(client.answer().body, "Hello from /\n");
}
