//! The imports between the files of a crate run one way, as
//! `crates/ARCHITECTURE.md` draws them.

use taffrail_tests::guests::root;
use taffrail_tests::imports::Imports;

/// The floors of the runtime, from the ground up. A module imports from its own
/// floor and from those below it.
const FLOORS: &[&str] = &[
    "clock",
    "error",
    "settings",
    "store",
    "event",
    "places",
    "delivery",
    "invocation",
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

/// Imports that still run up. The list may only shrink.
const UP: &[&str] = &[
    "component::execute -> script",
    "component::execute -> worker",
    "delivery::queue -> platform::service",
    "delivery::queue -> worker",
    "delivery::queues -> worker",
    "instance::outbound -> platform::service",
    "instance::outbound -> script",
    "instance::outbound -> script::call",
    "instance::outbound -> script::exchange",
    "instance::state -> worker",
    "interfaces::dynamic -> platform::dispatch",
    "interfaces::dynamic -> platform::loader",
    "interfaces::dynamic -> platform::service",
    "invocation -> instance::output",
    "invocation -> platform",
    "invocation -> platform::service",
    "invocation -> script",
    "invocation -> worker",
    "invocation::recording -> instance::output",
    "script -> worker",
    "script::call -> platform::dispatch",
    "script::call -> platform::service",
    "script::exchange -> platform::loader",
    "script::exchange -> platform::service",
    "script::kv -> platform::service",
    "script::load -> platform::dispatch",
    "script::load -> platform::loader",
    "script::load -> platform::service",
    "script::object -> worker",
    "script::token -> platform::service",
    "settings -> platform::dispatch",
    "store::objects -> script",
    "worker -> platform",
    "worker -> platform::dispatch",
    "worker -> platform::service",
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
    assert_eq!(up, UP);
}

#[test]
fn no_file_imports_itself_over_others() {
    for folder in ["javascript", "server", "trace"] {
        let imports = Imports::of(&root().join("crates").join(folder).join("src"));
        let circles = imports.circles();
        assert!(
            circles.is_empty(),
            "circles of imports in {folder}: {circles:#?}"
        );
    }
}
