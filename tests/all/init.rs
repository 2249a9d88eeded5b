//! `taffrail init`.

use serde_json::Value;
use std::process::Command;
use taffrail_tests::guests;
use taffrail_tests::process::{Folder, run, run_recorded};

/// The languages whose Workers Taffrail builds or runs by itself.
const BUILT: [&str; 6] = ["javascript", "typescript", "python", "go", "c", "cpp"];

/// Makes the Worker `made`, and returns the commands that are said to be next.
fn init(folder: &Folder, arguments: &[&str]) -> Vec<String> {
    let mut command = folder.taffrail(&["init", "made", "--lang"]);
    command.args(arguments);
    let finished = run(command);
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    let mut lines = finished.stderr.lines();
    assert_eq!(lines.next(), Some("Wrote made to `made`"));
    let next = lines.map(|line| line.trim_start_matches("Next").trim());
    next.map(str::to_owned).collect()
}

/// What a Worker that is both logs, in each language.
fn assert_both_are_recorded(items: &[Value]) {
    let of = |kind: &str| {
        let mut items = items.iter();
        let item = items.find(|item| item["event"].get(kind).is_some());
        item.unwrap_or_else(|| panic!("{items:?}"))
    };
    let producer = of("request");
    assert_eq!(
        (&producer["scriptName"], &producer["outcome"]),
        (&"made".into(), &"ok".into())
    );
    assert!(
        producer["logs"].to_string().contains("asked for"),
        "{producer}"
    );
    let tail = of("consumedEvents");
    assert_eq!(
        (&tail["scriptName"], &tail["outcome"]),
        (&"made".into(), &"ok".into())
    );
    assert!(tail["logs"].to_string().contains("ended"), "{tail}");
}

/// Invokes the Worker `made`, which answers requests and receives its own items.
fn assert_both_run(folder: &Folder) {
    let (finished, items) = run_recorded(folder.taffrail(&["invoke", "made"]));
    assert_eq!(
        (finished.code, finished.stdout.as_str()),
        (Some(0), "Hello from /\n"),
        "{}",
        finished.stderr
    );
    assert_both_are_recorded(&items);
}

fn assert_succeeds(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn a_worker_that_taffrail_builds_runs_at_once() {
    for language in BUILT {
        let folder = Folder::new();
        let next = init(&folder, &[language]);
        assert_eq!(next, ["taffrail check made", "taffrail invoke made"]);
        assert_both_run(&folder);
    }
}

#[test]
fn a_producer_and_a_tail_are_two_workers() {
    for language in BUILT {
        let folder = Folder::new();
        init(&folder, &[language, "--tail"]);
        std::fs::rename(folder.path().join("made"), folder.path().join("tail")).unwrap();
        init(&folder, &[language, "--producer"]);
        let configuration = folder.path().join("made/wrangler.toml");
        let text = std::fs::read_to_string(configuration).unwrap();
        assert!(!text.contains("tail_consumers"));
        let named = text.replace("\"made\"", "\"p\"");
        folder.write(
            "made/wrangler.toml",
            format!("{named}tail_consumers = [{{ service = \"made\" }}]\n"),
        );
        let (finished, items) = run_recorded(folder.taffrail(&["invoke", "made", "tail"]));
        assert_eq!(finished.code, Some(0), "{}", finished.stderr);
        let tail = items
            .iter()
            .find(|item| item["scriptName"] == "made")
            .unwrap();
        // An argument of its own for a script, the beginning of a line in Python.
        assert!(tail["logs"].to_string().contains("\"p"), "{tail}");
        assert!(tail["logs"].to_string().contains("ended"), "{tail}");
    }
}

#[test]
fn a_component_is_built_and_runs() {
    let folder = Folder::new();
    let next = init(&folder, &["rust"]);
    assert_eq!(
        next,
        ["rustup target add wasm32-wasip2", "taffrail invoke made"]
    );
    let mut build = Command::new(guests::root().join("guest-examples/build.sh"));
    build.arg(folder.path().join("made"));
    assert_succeeds(&mut build);
    // It is built already, by the compiler of the tests.
    let configuration = folder.path().join("made/wrangler.toml");
    let text = std::fs::read_to_string(configuration).unwrap();
    folder.write(
        "made/wrangler.toml",
        text.replace("build.command", "# build.command"),
    );
    assert_both_run(&folder);

    for (role, handlers) in [("--producer", "[\"fetch\"]"), ("--tail", "[\"tail\"]")] {
        let source = Folder::new();
        init(&source, &["rust", role]);
        let source = std::fs::read(source.path().join("made/src/lib.rs")).unwrap();
        folder.write("made/src/lib.rs", source);
        assert_succeeds(&mut build);
        let checked = folder.run(&["check", "made", "--json"]);
        let report: Value = serde_json::from_str(&checked.stdout).unwrap();
        assert_eq!(report["handlers"].to_string(), handlers);
    }
}

#[test]
fn nothing_is_overwritten() {
    let folder = Folder::new();
    folder.write("made/worker.js", "mine");
    let finished = folder.run(&["init", "made", "--lang", "javascript"]);
    assert_eq!(finished.code, Some(1));
    assert_eq!(
        finished.stderr,
        "error: `made/worker.js` exists, and `init` does not overwrite files; choose another folder: taffrail init DIR\n"
    );
    let file = |name| std::fs::read_to_string(folder.path().join(name));
    assert_eq!(file("made/worker.js").unwrap(), "mine");
    assert!(file("made/wrangler.toml").is_err());
}

#[test]
fn a_folder_gives_its_worker_the_name() {
    let folder = Folder::new();
    let made = folder.run(&["init", "My.Worker", "--lang", "rust", "--tail"]);
    assert_eq!(made.code, Some(0), "{}", made.stderr);
    let text = std::fs::read_to_string(folder.path().join("My.Worker/wrangler.toml")).unwrap();
    assert!(text.contains("name = \"my-worker\"\n"), "{text}");
    assert!(text.contains("/my_worker.wasm\"\n"), "{text}");
    let finished = folder.run(&["init", "1st", "--lang", "rust"]);
    assert_eq!(
        (finished.code, finished.stderr.as_str()),
        (
            Some(1),
            "error: a Worker has the name of its folder, which must begin with a letter, and `1st` does not; choose another folder: taffrail init DIR\n"
        )
    );
}
