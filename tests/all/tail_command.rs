//! `taffrail tail`, and `wrangler tail` as its model.

use serde_json::{Deserializer, Value};
use std::process::Command;
use taffrail_tests::control::Control;
use taffrail_tests::folder::Folder;
use taffrail_tests::process::{Finished, Running, Server};
use taffrail_tests::wrangler::wrangler;

/// A Worker that logs, and fails for `/boom`.
const SPEAKS: &str = "\
export default {
  fetch(request) {
    const { pathname } = new URL(request.url);
    console.log('request for', pathname);
    if (pathname === '/warn') console.warn('careful');
    if (pathname === '/boom') throw new TypeError('boom');
    return new Response('spoken');
  },
};
";

struct Speaking {
    folder: Folder,
    server: Server,
    control: Control,
}

impl Speaking {
    fn start() -> Self {
        let (folder, server, control) = Control::serve(SPEAKS);
        Self {
            folder,
            server,
            control,
        }
    }

    /// Starts `taffrail tail`, and waits until it is connected.
    fn tail(&self, arguments: &[&str]) -> Running {
        let address = self.control.address.to_string();
        let tail = [&["tail", "--control", &address], arguments].concat();
        let tail = Running::spawn(self.folder.taffrail(&tail));
        tail.until_stderr("Tailing ");
        tail
    }

    fn wrangler(&self, arguments: &[&str]) -> Running {
        let api = format!("http://{}/client/v4", self.control.address);
        let mut command: Command = wrangler(&api, &self.control.token);
        command
            .current_dir(self.folder.path())
            .env("HOME", self.folder.path());
        Running::spawn({
            command.args(["tail", "w"]).args(arguments);
            command
        })
    }

    /// Waits until so many live tails are connected.
    fn until_connected(&self, tails: u64) {
        while self.control.measure("taffrail_live_tails") < tails {}
    }

    fn speak(&self) {
        for path in ["/a", "/warn", "/boom", "/b"] {
            _ = self.server.get(path);
        }
    }

    /// Ends the server, and with it the tails.
    fn end(self, tails: Vec<Running>) -> Vec<Finished> {
        assert_eq!(self.server.terminate().code, Some(0));
        tails.into_iter().map(Running::finish).collect()
    }
}

/// Items as one JSON value after the other, in the order of their ids. wrangler says more at its
/// end, since the server is gone.
fn items(text: &str) -> Vec<Value> {
    let items = Deserializer::from_str(text).into_iter();
    let mut items: Vec<Value> = items.map_while(Result::ok).collect();
    items.sort_by_key(|item| item["invocationId"].to_string());
    items
}

fn paths(text: &str) -> Vec<String> {
    let items = items(text);
    let urls = items
        .iter()
        .map(|item| item["event"]["request"]["url"].as_str().unwrap());
    let mut paths: Vec<_> = urls
        .map(|url| url.rsplit('/').next().unwrap().to_owned())
        .collect();
    paths.sort();
    paths
}

#[test]
fn wrangler_receives_the_same_items() {
    for filters in [
        &[][..],
        &["--status", "error"],
        &["--method", "GET", "--search", "request for", "--ip", "self"],
        &[
            "--header",
            "host:localhost",
            "--status",
            "ok",
            "--status",
            "canceled",
        ],
        &["--sampling-rate", "0.5"],
    ] {
        let speaking = Speaking::start();
        let arguments = [&["--format", "json"], filters].concat();
        let wrangler = speaking.wrangler(&arguments);
        speaking.until_connected(1);
        let own = speaking.tail(&[&["w"], &arguments[..]].concat());
        speaking.speak();
        let finished = speaking.end(vec![own, wrangler]);
        assert_eq!(
            (finished[0].code, finished[0].stderr.as_str()),
            (Some(0), "")
        );
        let (own, theirs) = (items(&finished[0].stdout), items(&finished[1].stdout));
        assert_eq!(own, theirs, "{filters:?}: {}", finished[1].stderr);
        if !filters.contains(&"--sampling-rate") {
            assert!(!own.is_empty(), "{filters:?}");
        }
    }
}

#[test]
fn wrangler_prints_the_same_lines() {
    let speaking = Speaking::start();
    let wrangler = speaking.wrangler(&["--format", "pretty"]);
    wrangler.until_stdout("Connected to w, waiting for logs");
    let own = speaking.tail(&["w", "--format", "pretty"]);
    speaking.speak();
    let finished = speaking.end(vec![own, wrangler]);
    let (own, theirs) = (&finished[0], &finished[1]);
    assert_eq!(
        invocations(&own.stdout),
        [
            "GET http://localhost/a - Ok\n  (log) request for /a",
            "GET http://localhost/b - Ok\n  (log) request for /b",
            "GET http://localhost/boom - Exception Thrown\n  (log) request for /boom",
            "GET http://localhost/warn - Ok\n  (log) request for /warn\n  (warn) careful",
        ]
    );
    assert_eq!(invocations(&own.stdout), invocations(&theirs.stdout));
    // wrangler sends exceptions to stderr.
    for line in ["TypeError: boom", "    at fetch (worker.js:6:"] {
        assert!(own.stdout.contains(line), "{}", own.stdout);
        assert!(theirs.stderr.contains(line), "{}", theirs.stderr);
    }
}

/// The lines of each invocation without its date and its exceptions, in the order of the text.
fn invocations(text: &str) -> Vec<String> {
    let mut invocations: Vec<String> = Vec::new();
    for line in text.lines() {
        match (line.split_once(" @ "), invocations.last_mut()) {
            (Some((event, _)), _) => invocations.push(event.to_owned()),
            (None, Some(last)) if line.starts_with("  (") => *last += &format!("\n{line}"),
            _ => {}
        }
    }
    invocations.sort();
    invocations
}

#[test]
fn options_choose_what_is_shown() {
    for (options, shown) in [
        (&["w"][..], &["a", "b", "boom", "warn"][..]),
        (&["other"], &[]),
        (&["--status", "error"], &["boom"]),
        (&["--status", "ok", "--level", "warn"], &["warn"]),
        (&["--level", "warn", "--level", "error"], &["boom", "warn"]),
        (&["--search", "/b"], &["b", "boom"]),
        (&["--method", "post"], &[]),
        (
            &["--header", "HOST: localhost"],
            &["a", "b", "boom", "warn"],
        ),
        (&["--header", "host:other:80"], &[]),
        (&["--ip", "192.0.2.1"], &[]),
        (&["--version-id", "v1"], &[]),
        (&["--where", "outcome = 'exception'"], &["boom"]),
        (&["--sampling-rate", "0"], &[]),
    ] {
        let speaking = Speaking::start();
        let tail = speaking.tail(options);
        speaking.speak();
        let finished = speaking.end(vec![tail]);
        assert_eq!(finished[0].code, Some(0));
        assert_eq!(paths(&finished[0].stdout), shown, "{options:?}");
    }
}

#[test]
fn a_killed_worker_is_an_error_too() {
    let speaking = Speaking::start();
    let tail = speaking.tail(&["w", "--status", "error", "--format", "pretty"]);
    assert_eq!(
        speaking.control.request("POST /workers/w/stop", "").status,
        200
    );
    assert_eq!(speaking.server.get("/").status, 503);
    let line = tail.until_stdout("GET http://localhost/");
    assert!(
        line.starts_with("GET http://localhost/ - Kill Switch @ "),
        "{line}"
    );
    tail.signal("INT");
    assert_eq!(tail.finish().code, Some(0));
}

#[test]
fn mistakes_are_named() {
    let speaking = Speaking::start();
    let address = speaking.control.address.to_string();
    let tail = |options: &[&str]| {
        let arguments = [&["tail", "--control", &address], options].concat();
        let finished = speaking.folder.run(&arguments);
        (finished.code, finished.stderr)
    };
    let (code, error) = tail(&["nobody"]);
    assert_eq!(code, Some(1));
    assert!(
        error.contains("`nobody`. There are `other`, `w`"),
        "{error}"
    );
    for (options, reason) in [
        (
            ["--sampling-rate", "2"],
            "a sampling rate is a number between 0 and 1",
        ),
        (
            ["--ip", "here"],
            "`here` is neither an IP address nor `self`",
        ),
        (["--where", "outcome ="], "expected an expression"),
        (["--header", ":x"], "it has no name"),
        (
            ["--status", "bad"],
            "[possible values: ok, error, canceled]",
        ),
    ] {
        let (code, error) = tail(&options);
        assert_eq!(code, Some(2), "{options:?}");
        assert!(error.contains(reason), "{error}");
    }
    let elsewhere = speaking.folder.run(&["tail"]);
    assert_eq!(elsewhere.code, Some(1));
    assert!(
        elsewhere.stderr.contains(
            "nothing listens on `.taffrail/control.sock`; start `taffrail serve` or `dev`"
        ),
        "{}",
        elsewhere.stderr
    );
}
