//! The WIT package: its page, and that the host implements it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use taffrail_runtime::{Code, Event, WorkerSettings};
use taffrail_tests::folder::Folder;
use taffrail_tests::guests::root;
use taffrail_tests::process::{example, run};
use taffrail_tests::scenario::{Scenario, logs};
use taffrail_tests::wit::{Edit, Package};
use taffrail_trace::{Outcome, TraceItem};

/// A world for the handlers that are in no world of the package.
const EVENTS: Edit = Edit {
    file: "worlds.wit",
    from: "/// A Tail Worker.",
    to: "/// Other events.
        world events { include imports; export scheduled; export queue; }
        /// A Tail Worker.",
};

#[test]
fn the_page_is_written_from_the_package() {
    let page = fs::read_to_string(root().join("docs/wit.md")).unwrap();
    let folder = Folder::new();
    folder.write("wit.md", &page);
    let mut command = Command::new(example("wit"));
    command.arg(folder.path().join("wit.md"));
    let finished = run(command);
    assert_eq!((finished.code, &*finished.stderr), (Some(0), ""));
    let written = fs::read_to_string(folder.path().join("wit.md")).unwrap();
    assert!(
        written == page,
        "docs/wit.md is not what `wit/` says: cargo run -p taffrail-toolchain --example wit -- docs/wit.md"
    );
}

/// A Worker with a component that imports every function of a world and whose exports trap.
fn deployed(package: &Package, world: &str) -> Result<Scenario, String> {
    let scenario = Scenario::new();
    let compiler = scenario.runtime().compiler();
    let code = compiler.compile(&package.component(world));
    let code = code.map_err(|error| error.to_string())?;
    let is_producer = matches!(&code, Code::Component(component) if component.handles_fetch());
    let settings = WorkerSettings::new("dummy");
    scenario.runtime().deploy(settings, code).unwrap();
    let tails = vec!["dummy".into()];
    Ok(match world {
        _ if is_producer => scenario,
        "streaming-tail-worker" => scenario.deploy(
            "hello",
            WorkerSettings {
                streaming_tail_consumers: tails,
                ..WorkerSettings::new("hello")
            },
        ),
        _ => scenario.worker_with_tails("hello", &["dummy"]),
    })
}

fn assert_has_run(item: &TraceItem) {
    assert_eq!(item.outcome, Outcome::Exception);
    let trap = &item.exceptions[0];
    let expected = "unreachable executed";
    assert_eq!((&*trap.name, &*trap.message), ("RuntimeError", expected));
}

#[tokio::test]
async fn every_function_of_every_world_is_implemented() {
    let package = Package::edited(&[EVENTS]);
    let mut published = BTreeSet::new();
    for world in package.worlds() {
        published.extend(package.imports(world));
        published.extend(package.exports(world));
        if world == "imports" {
            // It has no handler, and the other worlds include it.
            continue;
        }
        let scenario = deployed(&package, world).unwrap_or_else(|error| panic!("{world}: {error}"));
        match world {
            "producer" | "worker" => _ = scenario.get("dummy", "/").await,
            "tail-worker" | "streaming-tail-worker" => _ = scenario.get("hello", "/").await,
            _ => {
                _ = scenario
                    .dispatch("dummy", Event::scheduled("* * * * *", None))
                    .await
            }
        }
        assert_has_run(&scenario.item("dummy"));
    }
    assert_eq!(published, package.interfaces());
}

/// The names of interfaces of the package that occur in a folder of the runtime's source.
fn mentioned(folder: &Path, names: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            mentioned(&path, names);
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        for rest in text.split("taffrail:workers/").skip(1) {
            let is_in_name = |c: char| c.is_ascii_lowercase() || c == '-';
            let name = rest.split(|c| !is_in_name(c)).next().unwrap();
            names.insert(format!("taffrail:workers/{name}@0.2.0"));
        }
    }
}

#[test]
fn nothing_else_of_the_package_can_be_imported() {
    let package = Package::today();
    let mut candidates = package.interfaces();
    mentioned(&root().join("crates/runtime/src"), &mut candidates);
    let scenario = Scenario::new();
    let compiler = scenario.runtime().compiler();
    let is_offered = |name: &String| {
        let text = format!(r#"(component (import "{name}" (instance (export "f" (func)))))"#);
        let component = wat::parse_str(text).unwrap();
        let inspection = compiler.inspect(&component, Path::new("w.wasm")).unwrap();
        inspection.imports[0].missing.is_none()
    };
    let offered: BTreeSet<_> = candidates.into_iter().filter(is_offered).collect();
    assert_eq!(offered, package.imports("imports"));
}

/// Functions that no WIT describes are only those of WASI.
#[test]
fn functions_of_the_package_come_from_the_package() {
    let folder = root().join("crates/runtime/src/interfaces");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let by_hand: BTreeSet<_> = files
        .filter(|file| {
            let text = fs::read_to_string(file.path()).unwrap();
            ["func_wrap", "func_new"]
                .iter()
                .any(|add| text.contains(add))
        })
        .map(|file| file.file_name().into_string().unwrap())
        .collect();
    assert_eq!(
        by_hand,
        ["logging.rs", "otel.rs", "wasi.rs"]
            .map(str::to_owned)
            .into()
    );
}

/// A component that was built with the package as it was before a change of these kinds.
#[test]
fn what_may_change_in_a_version_leaves_components_as_they_are() {
    let before = |file, from, to| Package::edited(&[Edit { file, from, to }]);
    for (change, package) in [
        (
            "a function of an interface that guests import",
            before("interfaces.wit", "invocation-id: func() -> string;", ""),
        ),
        (
            "an interface",
            before("worlds.wit", "import analytics;", ""),
        ),
    ] {
        let result = deployed(&package, "worker").map(drop);
        assert_eq!(result, Ok(()), "{change}");
    }
}

#[test]
fn what_may_not_change_in_a_version_breaks_components() {
    let before = |file, from, to| Package::edited(&[Edit { file, from, to }]);
    for (change, package) in [
        (
            "a field of a record",
            before("types.wit", "lost-items: u64,", ""),
        ),
        (
            "a case of an enum",
            before(
                "types.wit",
                "    /// The invocation was aborted.\n    aborted,\n",
                "",
            ),
        ),
        (
            "a case of a variant",
            before(
                "types.wit",
                "    /// An event of another kind.\n    custom,\n",
                "",
            ),
        ),
        (
            "a function of an interface that guests export",
            before("interfaces.wit", "  tail: func(", "  tails: func("),
        ),
        (
            "a parameter",
            before(
                "interfaces.wit",
                "uncaught: func(failure: failure)",
                "uncaught: func()",
            ),
        ),
    ] {
        let error = deployed(&package, "worker").map(drop).unwrap_err();
        assert!(
            error.contains("does not have the type that its name requires"),
            "{change}: {error}"
        );
    }
}

/// Versions 0.2.x have each other's components, as far as they use what both have.
#[test]
fn a_component_of_a_later_version_runs_if_it_uses_what_there_is() {
    let files = [
        "dispatch.wit",
        "interfaces.wit",
        "loader.wit",
        "services.wit",
        "streaming.wit",
        "tracing.wit",
        "types.wit",
        "worlds.wit",
    ];
    let later = files.map(|file| Edit {
        file,
        from: "package taffrail:workers@0.2.0;",
        to: "package taffrail:workers@0.2.7;",
    });
    let package = Package::edited(&later);
    assert_eq!(deployed(&package, "worker").map(drop), Ok(()));
}

/// See `tests/frozen/README.md`.
#[tokio::test]
async fn frozen_components_run_and_are_recorded() {
    let files = fs::read_dir(root().join("tests/frozen")).unwrap();
    let files = files.map(|entry| entry.unwrap().path());
    let components: Vec<_> = files
        .filter(|file| file.extension().is_some_and(|it| it == "wasm"))
        .collect();
    assert!(!components.is_empty());
    for component in components {
        let scenario = Scenario::new();
        let compiler = scenario.runtime().compiler();
        let code = compiler.compile(&fs::read(&component).unwrap());
        let code = code.unwrap_or_else(|error| panic!("{}: {error}", component.display()));
        let settings = WorkerSettings {
            tail_consumers: vec!["frozen".into()],
            ..WorkerSettings::new("frozen")
        };
        scenario.runtime().deploy(settings, code).unwrap();
        let answer = scenario.get("frozen", "/there?token=1").await;
        assert_eq!((answer.status, &*answer.text()), (Some(200), "frozen\n"));
        let [event, tail] = &*scenario.items() else {
            panic!("{:?}", scenario.items());
        };
        assert_eq!(logs(event), ["warn asked 1"]);
        let logs = logs(tail);
        let expected =
            "log frozen http://localhost/there?token=1 Outcome::Ok LogLevel::Warn \"asked\" 1 0";
        assert_eq!(logs[0], expected);
        assert!(logs[1].starts_with("log [{\"wallTime\":"), "{}", logs[1]);
    }
}
