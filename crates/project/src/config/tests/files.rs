//! Which file is read, and errors in its syntax.

use super::check;

const SMALLEST: &str = "name = \"a\"\nmain = \"a.wasm\"";

#[test]
fn a_directory_is_searched_in_wranglers_order() {
    let toml = ("a/wrangler.toml", "name = \"toml\"\nmain = \"x.wasm\"");
    let jsonc = (
        "a/wrangler.jsonc",
        r#"{ "name": "jsonc", "main": "x.wasm" }"#,
    );
    let json = ("a/wrangler.json", r#"{ "name": "json", "main": "x.wasm" }"#);
    check(
        &[toml],
        "a",
        "path = a/wrangler.toml\ndir = a\nname = toml\nmain = a/x.wasm",
    );
    check(
        &[toml, jsonc],
        "a",
        "path = a/wrangler.jsonc\ndir = a\nname = jsonc\nmain = a/x.wasm",
    );
    check(
        &[toml, jsonc, json],
        "a",
        "path = a/wrangler.json\ndir = a\nname = json\nmain = a/x.wasm",
    );
}

#[test]
fn a_file_is_read_whatever_its_stem() {
    check(
        &[("a/other.toml", SMALLEST)],
        "a/other.toml",
        "path = a/other.toml\ndir = a\nname = a\nmain = a/a.wasm",
    );
}

#[test]
fn a_component_is_a_worker_without_configuration() {
    check(
        &[("out/Hello_World.component.wasm", "")],
        "out/Hello_World.component.wasm --env=staging --var=Hello_World.K:V",
        "path = out/Hello_World.component.wasm
         dir = out
         name = Hello_World
         main = out/Hello_World.component.wasm
         vars.K = \"V\"",
    );
}

#[test]
fn a_bare_file_name_stands_in_the_current_directory() {
    let dir = super::super::paths::directory_of("wrangler.toml".as_ref());
    assert_eq!(dir, std::path::Path::new("."));
}

#[test]
fn paths_that_lead_nowhere() {
    check(
        &[],
        "nowhere",
        "nowhere: no such path; give a Worker's directory, its wrangler.json, wrangler.jsonc or wrangler.toml, a .wasm component, a .js, .mjs or .ts script, or a source file in Python (.py), Go (.go), C (.c) or C++ (.cc, .cpp, .cxx)",
    );
    check(
        &[("a/Cargo.lock", "")],
        "a",
        "a: no wrangler.json, wrangler.jsonc or wrangler.toml in this directory; add one, or give the .wasm component or the script itself; for a new Worker: taffrail init a --lang LANGUAGE",
    );
    check(
        &[("a/worker.rb", "")],
        "a/worker.rb",
        "a/worker.rb: neither a configuration file (.toml, .json, .jsonc), nor a .wasm component, nor a script (.js, .mjs, .ts), nor a source file in Python (.py), Go (.go), C (.c) or C++ (.cc, .cpp, .cxx)",
    );
}

#[test]
fn broken_toml_has_a_place() {
    check(
        &[("a/wrangler.toml", "name = \"a\"\n[limits\ncpu_ms = 1")],
        "a",
        "a/wrangler.toml:2:8: unclosed table, expected `]`",
    );
    check(
        &[("a/wrangler.toml", "# ä\nname = \"ä\" x")],
        "a",
        "a/wrangler.toml:2:12: unexpected key or value, expected newline, `#`",
    );
    check(
        &[("a/wrangler.toml", "name = \"a\"\nname = \"b\"")],
        "a",
        "a/wrangler.toml:2:1: duplicate key",
    );
}

#[test]
fn toml_values_that_json_lacks() {
    check(
        &[("a/wrangler.toml", "compatibility_date = 2026-11-01")],
        "a",
        "a/wrangler.toml: `compatibility_date` is a TOML date; put it in quotes: \"2026-11-01\"",
    );
    check(
        &[("a/wrangler.toml", "[vars]\nlist = [{ at = 07:32:00 }]")],
        "a",
        "a/wrangler.toml: `vars.list[0].at` is a TOML date; put it in quotes: \"07:32:00\"",
    );
    check(
        &[("a/wrangler.toml", "[vars]\nmuch = inf")],
        "a",
        "a/wrangler.toml: `vars.much` is inf, which is not a number JSON can hold",
    );
}

#[test]
fn broken_jsonc_has_a_place() {
    check(
        &[(
            "a/wrangler.jsonc",
            "{\n  // a comment\n  \"name\": \"a\"\n  \"main\": \"b\"\n}",
        )],
        "a",
        "a/wrangler.jsonc:3:14: Expected comma",
    );
    check(
        &[("a/wrangler.json", "{ \"name\": 'a' }")],
        "a",
        "a/wrangler.json:1:11: Single-quoted strings are not allowed",
    );
    check(
        &[("a/wrangler.json", "[]")],
        "a",
        "a/wrangler.json:1:1: invalid type: sequence, expected a map",
    );
}

#[test]
fn json_may_have_comments_trailing_commas_and_a_byte_order_mark() {
    check(
        &[(
            "a/wrangler.json",
            "\u{feff}{\n  /* who */ \"name\": \"a\",\n  \"main\": \"a.wasm\", // what\n}",
        )],
        "a",
        "path = a/wrangler.json\ndir = a\nname = a\nmain = a/a.wasm",
    );
    check(
        &[("a/wrangler.toml", &format!("\u{feff}{SMALLEST}"))],
        "a",
        "path = a/wrangler.toml\ndir = a\nname = a\nmain = a/a.wasm",
    );
}
