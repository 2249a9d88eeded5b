//! The arrows between the crates, as `crates/ARCHITECTURE.md` draws them.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use taffrail_tests::guests::root;
use taffrail_tests::imports::Imports;

#[test]
fn crates_depend_on_each_other_as_drawn() {
    let allowed: BTreeMap<&str, BTreeSet<&str>> = [
        ("taffrail-trace", [].into()),
        ("taffrail-store", [].into()),
        ("taffrail-compiled", [].into()),
        (
            "taffrail-runtime",
            ["taffrail-compiled", "taffrail-store", "taffrail-trace"].into(),
        ),
        ("taffrail-toolchain", [].into()),
        (
            "taffrail-javascript",
            ["taffrail-compiled", "taffrail-toolchain"].into(),
        ),
        ("taffrail-c", ["taffrail-toolchain"].into()),
        ("taffrail-go", ["taffrail-toolchain"].into()),
        ("taffrail-python", ["taffrail-toolchain"].into()),
        (
            "taffrail-project",
            [
                "taffrail-c",
                "taffrail-go",
                "taffrail-javascript",
                "taffrail-logs",
                "taffrail-otlp",
                "taffrail-python",
                "taffrail-runtime",
                "taffrail-sql",
                "taffrail-toolchain",
                "taffrail-trace",
            ]
            .into(),
        ),
        ("taffrail-server", ["taffrail-runtime"].into()),
        ("taffrail-sql", [].into()),
        ("taffrail-logs", ["taffrail-sql", "taffrail-trace"].into()),
        ("taffrail-otlp", ["taffrail-trace"].into()),
        (
            "taffrail-control",
            [
                "taffrail-logs",
                "taffrail-otlp",
                "taffrail-runtime",
                "taffrail-sql",
                "taffrail-trace",
            ]
            .into(),
        ),
        (
            "taffrail-test",
            ["taffrail-project", "taffrail-runtime"].into(),
        ),
        (
            "taffrail",
            [
                "taffrail-control",
                "taffrail-logs",
                "taffrail-project",
                "taffrail-runtime",
                "taffrail-server",
                "taffrail-sql",
                "taffrail-test",
                "taffrail-trace",
            ]
            .into(),
        ),
        (
            "taffrail-tests",
            [
                "taffrail-control",
                "taffrail-logs",
                "taffrail-project",
                "taffrail-runtime",
                "taffrail-server",
                "taffrail-sql",
                "taffrail-test",
                "taffrail-trace",
            ]
            .into(),
        ),
    ]
    .into();
    let packages = packages("Cargo.toml");
    let members: BTreeSet<&str> = packages.keys().map(String::as_str).collect();
    assert_eq!(members, allowed.keys().copied().collect());
    for (package, dependencies) in &packages {
        let ours: BTreeSet<&str> = dependencies
            .iter()
            .map(String::as_str)
            .filter(|dependency| members.contains(dependency))
            .collect();
        assert_eq!(ours, allowed[package.as_str()], "{package}");
    }
}

#[test]
fn the_record_knows_no_io_and_no_webassembly() {
    let packages = packages("Cargo.toml");
    let dependencies: BTreeSet<&str> = packages["taffrail-trace"]
        .iter()
        .map(String::as_str)
        .collect();
    assert_eq!(dependencies, ["proptest", "serde", "serde_json"].into());
}

#[test]
fn guests_share_only_the_record_with_the_host() {
    let packages = packages("crates/guest/Cargo.toml");
    let ours = packages.values().flatten();
    let ours: BTreeSet<&str> = ours
        .map(String::as_str)
        .filter(|dependency| dependency.starts_with("taffrail"))
        .collect();
    assert_eq!(ours, ["taffrail-guest-macros", "taffrail-trace"].into());
}

#[test]
fn every_folder_of_the_runtime_is_in_the_map() {
    let imports = Imports::of(&root().join("crates/runtime/src"));
    let modules = imports.modules().filter(|module| *module != "lib");
    let folders: BTreeSet<String> = modules
        .map(|module| module.split("::").next().unwrap().to_owned())
        .collect();
    let text = fs::read_to_string(root().join("crates/ARCHITECTURE.md")).unwrap();
    let (_, map) = text.split_once("| module | holds |").unwrap();
    let rows = map.split("\n\n").next().unwrap().lines();
    let drawn: BTreeSet<String> = rows
        .filter_map(|row| row.split('|').nth(1))
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .map(ToOwned::to_owned)
        .collect();
    assert_eq!(drawn, folders);
}

#[test]
fn every_invariant_is_held_by_tests_that_exist() {
    let text = fs::read_to_string(root().join("crates/ARCHITECTURE.md")).unwrap();
    let (_, rest) = text.split_once("\n## Invariants\n").unwrap();
    let invariants = rest.split("\n## ").next().unwrap();
    for invariant in invariants.split("\n- ").skip(1) {
        let held_by = match invariant.split_once("Held by ") {
            Some((_, held_by)) => held_by.to_owned(),
            // Its tests are the last column of a table.
            None => invariant
                .lines()
                .filter_map(|line| line.split('|').nth(3))
                .collect(),
        };
        let names: Vec<_> = held_by.split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty(), "no test is named for: {invariant}");
        for name in names {
            assert!(exists(name), "`{name}` does not exist");
        }
    }
}

/// Whether there is a test of this name, or a file.
fn exists(name: &str) -> bool {
    let Some((module, test)) = name.rsplit_once("::") else {
        return root().join(name).exists();
    };
    let (first, rest) = module.split_once("::").unwrap_or((module, ""));
    let source = root().join("crates").join(first).join("src");
    let module = match first {
        _ if source.exists() => source.join(rest.replace("::", "/")),
        "hostile" => root().join("tests/hostile").join(rest),
        _ => root().join("tests/all").join(module),
    };
    [".rs", "/mod.rs", "/tests.rs"].iter().any(|end| {
        let file = format!("{}{end}", module.display());
        let source = fs::read_to_string(file).unwrap_or_default();
        source.contains(&format!("fn {test}("))
    })
}

/// The packages of a workspace and the names of their direct dependencies.
fn packages(manifest: &str) -> BTreeMap<String, Vec<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version=1"])
        .args(["--manifest-path", manifest])
        .current_dir(root())
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let names = |value: &Value| -> Vec<String> {
        value
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| entry["name"].as_str().unwrap().to_owned())
            .collect()
    };
    metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|package| {
            let name = package["name"].as_str().unwrap().to_owned();
            (name, names(&package["dependencies"]))
        })
        .collect()
}

#[test]
fn one_crate_has_unsafe_code() {
    let mut allowing = Vec::new();
    for package in packages("Cargo.toml").keys() {
        let crates = root().join("crates");
        let name = match package.strip_prefix("taffrail-") {
            Some("tests") => continue,
            Some(name) => name,
            None => "cli",
        };
        let files = rust_files(&crates.join(name).join("src"));
        allowing.extend(files.into_iter().filter(|path| {
            let text = fs::read_to_string(path).unwrap();
            text.contains("unsafe_code")
        }));
    }
    assert_eq!(allowing, [root().join("crates/compiled/src/lib.rs")]);
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let files = paths.map(|path| match path.is_dir() {
        true => rust_files(&path),
        false => vec![path],
    });
    let files = files.flatten();
    files
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect()
}
