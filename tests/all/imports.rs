//! The imports between the files of a crate run one way, as
//! `crates/ARCHITECTURE.md` draws them.

use std::fs;
use taffrail_tests::guests::root;
use taffrail_tests::imports::Imports;

/// The floors of the runtime, from the ground up. A module imports from its own
/// floor and from those below it.
const FLOORS: &[&str] = &[
    "clock",
    "error",
    "settings",
    "places",
    "delivery",
    "invocation",
    "event",
    "channels",
    "instance",
    "interfaces",
    "component",
    "script",
    "worker",
    "platform",
    "runtime",
    "lib",
];

#[test]
fn the_floors_of_the_runtime_stand_on_each_other() {
    let imports = Imports::of(&root().join("crates/runtime/src"));
    let floor = |module: &str| {
        let folder = module.split("::").next().unwrap();
        let floor = FLOORS.iter().position(|floor| *floor == folder);
        floor.unwrap_or_else(|| panic!("`{module}` has no floor: add it to FLOORS"))
    };
    let up: Vec<_> = imports
        .arrows()
        .filter(|(from, to)| floor(from) < floor(to))
        .map(|(from, to)| format!("{from} -> {to}"))
        .collect();
    assert!(up.is_empty(), "imports that run up: {up:#?}");
}

#[test]
fn no_file_imports_itself_over_others() {
    let crates = fs::read_dir(root().join("crates")).unwrap();
    let sources = crates.map(|folder| folder.unwrap().path().join("src"));
    for folder in sources.filter(|folder| folder.is_dir()) {
        let imports = Imports::of(&folder);
        let circles = imports.circles();
        assert!(
            circles.is_empty(),
            "circles of imports in {}: {circles:#?}",
            folder.display()
        );
    }
}
