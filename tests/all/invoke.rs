//! `taffrail invoke`: what goes to stdout, stderr and the file of items, and
//! the exit status.

use serde_json::{Value, json};
use std::fs::File;
use taffrail_tests::process::{Finished, Folder, run, run_recorded};

/// Runs `taffrail invoke` with a Worker `w` of this guest and nothing else.
fn invoke(guest: &str, arguments: &[&str]) -> Finished {
    let folder = Folder::new();
    folder.worker("w", guest, "");
    folder.run(&[&["invoke", "w"], arguments].concat())
}

/// A pretty line with noughts for the digits of its date.
fn undated(line: &str) -> String {
    let (before, date) = line.rsplit_once(" @ ").unwrap();
    let date = date.replace(|c: char| c.is_ascii_digit(), "0");
    format!("{before} @ {date}")
}

#[test]
fn the_body_goes_to_stdout_and_the_record_to_stderr() {
    let finished = invoke("hello", &["--url", "http://example.com/there?a=b"]);
    assert_eq!(finished.code, Some(0));
    assert_eq!(finished.stdout, "Hello from /there\n");
    let lines: Vec<_> = finished.stderr.lines().collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert_eq!(
        undated(lines[0]),
        "GET http://example.com/there?a=b - Ok @ 0000-00-00 00:00:00"
    );
    assert_eq!(lines[1], "  (log) Hello, GET /there");
}

#[test]
fn an_item_has_workerds_fields() {
    let finished = invoke(
        "hello",
        &[
            "--items",
            "-",
            "-H",
            "x-a: 1",
            "-H",
            "X-A:2",
            "-H",
            "cookie: c",
        ],
    );
    let (body, items) = finished.stdout.split_once('\n').unwrap();
    assert_eq!(body, "Hello from /");
    assert_eq!(finished.stderr, "");
    let mut item: Value = serde_json::from_str(items).unwrap();
    assert!(item["eventTimestamp"].as_u64().unwrap() > 1_795_000_000_000);
    assert_eq!(item["invocationId"].as_str().unwrap().len(), 32);
    assert!(item["peakMemory"].as_u64().unwrap() > 1 << 20);
    assert_eq!(item["traceId"], item["invocationId"]);
    assert_eq!(item["spanId"].as_str().unwrap().len(), 16);
    for varying in [
        "eventTimestamp",
        "invocationId",
        "requestId",
        "traceId",
        "spanId",
        "cpuTime",
        "wallTime",
        "peakMemory",
    ] {
        item[varying] = Value::Null;
    }
    item["logs"][0]["timestamp"] = Value::Null;
    let expected = json!({
        "cpuTime": null,
        "diagnosticsChannelEvents": [],
        "event": {
            "request": {
                "headers": { "cookie": "REDACTED", "host": "localhost:8787", "x-a": "1, 2" },
                "method": "GET",
                "url": "http://localhost:8787/",
            },
            "response": { "status": 200 },
        },
        "eventTimestamp": null,
        "exceptions": [],
        "executionModel": "stateless",
        "invocationId": null,
        "requestId": null,
        "traceId": null,
        "spanId": null,
        "logs": [{ "level": "log", "message": ["Hello, GET /"], "timestamp": null }],
        "outcome": "ok",
        "peakMemory": null,
        "scriptName": "w",
        "truncated": false,
        "wallTime": null,
    });
    assert_eq!(item, expected);
}

#[test]
fn items_are_written_when_all_tails_have_ended() {
    let folder = Folder::new();
    folder
        .worker(
            "w",
            "hello",
            "tail_consumers = [{ service = \"t\" }, { service = \"u\" }]",
        )
        .worker("t", "tail-log", "tail_consumers = [{ service = \"u\" }]")
        .worker("u", "tail-log", "");
    let (finished, items) = run_recorded(folder.taffrail(&["invoke", "w", "t", "u"]));
    assert_eq!(finished.code, Some(0));
    assert_eq!(finished.stdout, "Hello from /\n");
    assert_eq!(finished.stderr, "");
    // Items that wait at the same time are told in one call.
    let mut told: Vec<_> = items
        .iter()
        .flat_map(|item| {
            let of = match item["event"]["consumedEvents"].as_array() {
                Some(told) => told
                    .iter()
                    .map(|told| told["scriptName"].as_str())
                    .collect(),
                None => vec![None],
            };
            let (worker, outcome) = (item["scriptName"].as_str(), item["outcome"].as_str());
            let told = of.into_iter();
            told.map(move |of| (worker.unwrap(), of, outcome.unwrap()))
        })
        .collect();
    told.sort_unstable();
    assert_eq!(
        told,
        [
            ("t", Some("w"), "ok"),
            ("u", Some("t"), "ok"),
            ("u", Some("w"), "ok"),
            ("w", None, "ok"),
        ]
    );
}

#[test]
fn exit_status_3_says_that_the_outcome_is_not_ok() {
    let finished = invoke("faulty", &["--url", "http://localhost/panic"]);
    assert_eq!((finished.code, finished.stdout.as_str()), (Some(3), ""));
    let first = finished.stderr.lines().next().unwrap();
    assert!(first.starts_with("GET http://localhost/panic - Exception Thrown @ "));
    assert!(
        finished
            .stderr
            .contains("\n  panic: asked to panic\n    at ")
    );

    let late = invoke(
        "faulty",
        &["--url", "http://localhost/late", "--items", "-"],
    );
    let (body, item) = late.stdout.split_once('\n').unwrap();
    let item: Value = serde_json::from_str(item).unwrap();
    assert_eq!((late.code, body), (Some(3), "answered before the panic"));
    assert_eq!(item["outcome"], "exception");
    assert_eq!(item["event"]["response"]["status"], 200);
}

#[test]
fn a_status_from_500_on_is_not_a_failure_of_the_invocation() {
    let finished = invoke("probe", &["--url", "http://localhost/status?503"]);
    assert_eq!(finished.code, Some(0));
}

#[test]
fn a_failing_tail_does_not_change_the_exit_status() {
    let folder = Folder::new();
    folder
        .worker("w", "hello", "tail_consumers = [{ service = \"t\" }]")
        .worker("t", "tail-probe", "vars = { MODE = \"panic\" }");
    let finished = folder.run(&["invoke", "w", "t"]);
    assert_eq!(finished.code, Some(0));
    let mut kinds: Vec<_> = finished
        .stderr
        .lines()
        .filter(|line| !line.starts_with(' '))
        .map(undated)
        .collect();
    kinds.sort_unstable();
    assert_eq!(
        kinds,
        [
            "GET http://localhost:8787/ - Ok @ 0000-00-00 00:00:00",
            "Tailing w - Exception Thrown @ 0000-00-00 00:00:00",
        ]
    );
}

#[test]
fn exit_status_1_says_that_taffrail_could_not() {
    let finished = Folder::new().run(&["invoke", "nowhere"]);
    assert_eq!((finished.code, finished.stdout.as_str()), (Some(1), ""));
    assert!(
        finished
            .stderr
            .starts_with("error: nowhere: no such path; ")
    );
    for (arguments, message) in [
        (
            ["--data", "@missing"],
            "error: `--data @missing`: the file cannot be read: No such file or directory (os error 2)\n",
        ),
        (
            ["--items", "missing/items"],
            "error: `--items missing/items`: the file cannot be created: No such file or directory (os error 2)\n",
        ),
    ] {
        let finished = invoke("hello", &arguments);
        assert_eq!((finished.code, finished.stdout.as_str()), (Some(1), ""));
        assert_eq!(finished.stderr, message);
    }
}

#[test]
fn exit_status_2_says_that_the_command_line_is_wrong() {
    for (option, value, message) in [
        (
            "--url",
            "",
            "--url '' is not an absolute URL such as http://localhost/path",
        ),
        (
            "--url",
            "/path",
            "--url '/path' is not an absolute URL such as http://localhost/path",
        ),
        (
            "--url",
            "localhost",
            "--url 'localhost' is not an absolute URL such as http://localhost/path",
        ),
        (
            "--url",
            "http:///path",
            "--url 'http:///path' is not an absolute URL such as http://localhost/path",
        ),
        (
            "--url",
            "http://:80/",
            "--url 'http://:80/' is not an absolute URL such as http://localhost/path",
        ),
        (
            "--url",
            "ftp://a/",
            "--url 'ftp://a/' is not an absolute URL such as http://localhost/path",
        ),
        (
            "-X",
            "G T",
            "--request 'G T' is not an HTTP method such as PUT",
        ),
        (
            "-H",
            "accept",
            "--header 'accept' is not a header such as 'accept: text/html'",
        ),
        (
            "-H",
            "a b: c",
            "--header 'a b: c' is not a header such as 'accept: text/html'",
        ),
        (
            "-H",
            "a: b\nc: d",
            "--header 'a: b\n  c: d' is not a header such as 'accept: text/html'",
        ),
        (
            "--var",
            "KEY",
            "--var KEY: expected KEY:VALUE or WORKER.KEY:VALUE, no dot in KEY",
        ),
        (
            "--var",
            "KEY=secret",
            "--var KEY: expected KEY:VALUE or WORKER.KEY:VALUE, no dot in KEY",
        ),
        (
            "--var",
            "v.KEY:secret",
            "--var v.KEY: no Worker is named `v`; the Workers given are `w`",
        ),
    ] {
        let finished = invoke("hello", &[option, value]);
        assert_eq!(finished.stderr, format!("error: {message}\n"));
        assert_eq!((finished.code, finished.stdout.as_str()), (Some(2), ""));
    }
    let finished = invoke("hello", &["--nonsense"]);
    assert_eq!(finished.code, Some(2));
    assert!(
        finished
            .stderr
            .starts_with("error: unexpected argument '--nonsense' found\n")
    );
}

/// What the guest got of a request with these arguments.
fn echoed(arguments: &[&str]) -> (String, Value) {
    let url = ["--url", "http://localhost/body/echo", "--items", "items"];
    let folder = Folder::new();
    folder
        .worker("w", "probe", "")
        .write("data", "from a file\n");
    let mut command = folder.taffrail(&[&["invoke", "w"], &url[..], arguments].concat());
    command.stdin(File::open(folder.path().join("data")).unwrap());
    let finished = run(command);
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    let items = std::fs::read(folder.path().join("items")).unwrap();
    let mut item: Value = serde_json::from_slice(&items).unwrap();
    (finished.stdout, item["event"]["request"].take())
}

#[test]
fn data_is_sent_with_post() {
    let (body, request) = echoed(&["-d", "a=b&c"]);
    assert_eq!(body, "a=b&c");
    assert_eq!(request["method"], "POST");
    assert_eq!(request["headers"]["content-length"], "5");

    let (body, request) = echoed(&["-X", "PATCH", "--data", ""]);
    assert_eq!((body.as_str(), &request["method"]), ("", &json!("PATCH")));
}

#[test]
fn data_is_read_from_a_file_or_from_stdin() {
    for data in ["@data", "@-"] {
        let (body, request) = echoed(&["-d", data]);
        assert_eq!(body, "from a file\n");
        assert_eq!(request["headers"]["content-length"], "12");
    }
}

#[test]
fn a_given_host_header_takes_the_place_of_the_urls() {
    let (_, request) = echoed(&["-H", "Host: example.com"]);
    assert_eq!(request["headers"]["host"], "example.com");
}

#[test]
fn a_component_is_a_worker_without_a_configuration() {
    let folder = Folder::new();
    let component = taffrail_tests::guests::component("hello");
    std::fs::copy(component, folder.path().join("greeter.wasm")).unwrap();
    let finished = folder.run(&[
        "invoke",
        "greeter.wasm",
        "--var",
        "GREETING:Hi",
        "--items",
        "-",
    ]);
    let (body, item) = finished.stdout.split_once('\n').unwrap();
    let item: Value = serde_json::from_str(item).unwrap();
    assert_eq!((finished.code, body), (Some(0), "Hi from /"));
    assert_eq!(item["scriptName"], "greeter");
}

#[test]
fn compiled_components_are_kept() {
    let folder = Folder::new();
    folder.worker("w", "hello", "").write("file", "");
    let invoke = |cache: &str| {
        let mut command = folder.taffrail(&["invoke", "w"]);
        command.env("XDG_CACHE_HOME", folder.path().join(cache));
        run(command)
    };
    assert_eq!(invoke("cache").code, Some(0));
    let kept = folder.path().join("cache/taffrail/components");
    assert!(kept.read_dir().unwrap().next().is_some());

    let uncached = invoke("file");
    assert_eq!(
        (uncached.code, uncached.stdout.as_str()),
        (Some(0), "Hello from /\n")
    );
    let place = folder.path().join("file/taffrail");
    let warning = format!(
        "warning: compiled components are not kept, since `{}` cannot be created: Not a directory (os error 20); set XDG_CACHE_HOME to a writable directory\n",
        place.display()
    );
    assert!(uncached.stderr.starts_with(&warning), "{}", uncached.stderr);
}

#[test]
fn what_taffrail_logs_about_itself_has_no_colours_in_a_pipe() {
    let folder = Folder::new();
    folder.worker("w", "hello", "");
    let mut command = folder.taffrail(&["invoke", "w"]);
    command.env("TAFFRAIL_LOG", "debug");
    let finished = run(command);
    assert!(finished.stderr.starts_with("DEBUG "), "{}", finished.stderr);
    assert!(!finished.stderr.contains('\u{1b}'));
}
