//! `--env`.

use super::check;

const FILE: &str = r#"
    name = "a"
    main = "a.wasm"
    limits = { cpu_ms = 10, subrequests = 1 }
    vars = { ONE = "1", THREE = "3", TWO = "2" }
    tail_consumers = [{ service = "a" }]
    d1_databases = [{ binding = "KV" }]
    routes = ["example.com"]

    [env.bare]

    [env.full]
    name = "b"
    main = "b.wasm"
    limits = {}
    vars = { ONE = 1 }
    tail_consumers = []
    services = [{ binding = "B", service = "b" }]

    [env.extra]
    vars = { ONE = 1, TWO = 2, THREE = 3, FOUR = 4 }
    tail_consumers = [{ service = "a-extra" }]
    dev = { port = 1 }

    [env.wrong]
    limits = { cpu_ms = "x" }

    [env.misspelt]
    limit = { cpu_ms = 1 }

    [env.shouting]
    name = "A"
"#;

#[track_caller]
fn check_env(env: &str, expected: &str) {
    check(
        &[("a/wrangler.toml", FILE)],
        &format!("a --env={env}"),
        expected,
    );
}

#[test]
fn without_one_the_top_level_counts() {
    for args in ["a", "a --env="] {
        check(
            &[("a/wrangler.toml", FILE)],
            args,
            "path = a/wrangler.toml
         dir = a
         name = a
         main = a/a.wasm
         vars.ONE = \"1\"
         vars.THREE = \"3\"
         vars.TWO = \"2\"
         tail = a
         cpu_ms = 10
         subrequests = 1
         warning: a/wrangler.toml: `d1_databases` is not supported by Taffrail yet and is ignored
         warning: a/wrangler.toml: `routes` is not supported by Taffrail yet and is ignored",
        );
    }
}

#[test]
fn it_inherits_what_can_be_inherited() {
    check_env(
        "bare",
        "path = a/wrangler.toml
         dir = a
         name = a-bare
         main = a/a.wasm
         cpu_ms = 10
         subrequests = 1
         warning: a/wrangler.toml: `tail_consumers` is set at the top level but not in `env.bare`, which does not inherit it; add it to `env.bare`
         warning: a/wrangler.toml: `vars` is set at the top level but not in `env.bare`, which does not inherit it; add it to `env.bare`
         warning: a/wrangler.toml: `routes` is not supported by Taffrail yet and is ignored",
    );
}

#[test]
fn its_own_values_count_whole() {
    check_env(
        "full",
        "path = a/wrangler.toml
         dir = a
         name = b
         main = a/b.wasm
         vars.ONE = 1
         service = B -> b
         warning: a/wrangler.toml: `THREE`, `TWO` are set in `vars` at the top level but not in `env.full.vars`, which does not inherit from it
         warning: a/wrangler.toml: `routes` is not supported by Taffrail yet and is ignored",
    );
}

#[test]
fn services_are_taken_as_written_and_top_level_keys_are_ignored() {
    check_env(
        "extra",
        "path = a/wrangler.toml
         dir = a
         name = a-extra
         main = a/a.wasm
         vars.FOUR = 4
         vars.ONE = 1
         vars.THREE = 3
         vars.TWO = 2
         tail = a-extra
         cpu_ms = 10
         subrequests = 1
         warning: a/wrangler.toml: `env.extra.dev` is ignored: `dev` is only allowed at the top level
         warning: a/wrangler.toml: `routes` is not supported by Taffrail yet and is ignored",
    );
}

#[test]
fn errors_name_the_place_in_the_environment() {
    check_env(
        "wrong",
        "a/wrangler.toml: `env.wrong.limits.cpu_ms`: invalid type: string \"x\", expected a whole number from 1 to 300000",
    );
    check_env(
        "misspelt",
        "a/wrangler.toml: unknown key `env.misspelt.limit`; did you mean `limits`?",
    );
    check_env(
        "shouting",
        "a/wrangler.toml: `env.shouting.name` is \"A\"; a Worker's name is made of lower-case letters, digits, dashes and underscores, and does not start with a dash",
    );
    check_env(
        "prod",
        "a/wrangler.toml: there is no environment `prod`; it defines `bare`, `extra`, `full`, `misspelt`, `shouting`, `wrong`",
    );
    for (env, expected) in [
        ("1", "`env`: invalid type: integer `1`, expected a map"),
        (
            "{ x = 1 }",
            "`env.x`: invalid type: integer `1`, expected a map",
        ),
    ] {
        check(
            &[("a/wrangler.toml", &format!("env = {env}"))],
            "a",
            &format!("a/wrangler.toml: {expected}"),
        );
    }
}

#[test]
fn a_file_without_any_serves_for_each() {
    check(
        &[(
            "a/wrangler.toml",
            "name = \"a\"\nmain = \"a.wasm\"\nvars = { A = \"1\" }",
        )],
        "a --env=staging",
        "path = a/wrangler.toml
         dir = a
         name = a-staging
         main = a/a.wasm
         vars.A = \"1\"
         warning: a/wrangler.toml: there is no environment `staging`, since the file defines none; the top level is used, with a name that ends in `-staging`",
    );
}

#[test]
fn null_is_the_same_as_leaving_a_key_out() {
    check(
        &[(
            "a/wrangler.json",
            r#"{
                "name": "a",
                "main": "a.wasm",
                "limits": { "cpu_ms": 10 },
                "vars": { "A": "1" },
                "tail_consumers": [],
                "env": { "staging": { "limits": null, "vars": null } }
            }"#,
        )],
        "a --env=staging",
        "path = a/wrangler.json
         dir = a
         name = a-staging
         main = a/a.wasm
         cpu_ms = 10
         warning: a/wrangler.json: `vars` is set at the top level but not in `env.staging`, which does not inherit it; add it to `env.staging`",
    );
}
