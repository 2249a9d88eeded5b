//! What a Worker gets of its configuration file, of `--env` and of `--var`.

use taffrail_tests::guests::component;
use taffrail_tests::process::Folder;
use taffrail_tests::scenario::Scenario;
use taffrail_trace::Outcome;

const VARS: &str = r#"
tail_consumers = []

[vars]
COLOUR = "red"
SIZE = 3

[env.staging.vars]
COLOUR = "blue"
SHAPE = { round = true }
"#;

/// What `vars` of the probe tells: COLOUR, NONE, all in `wasi:config/store`,
/// and all environment variables.
fn vars(worker: &str, arguments: &[&str]) -> String {
    let folder = Folder::new();
    folder.worker("w", "probe", VARS).worker("v", "probe", VARS);
    let url = ["--url", "http://localhost/output/vars"];
    let other = if worker == "w" { "v" } else { "w" };
    let finished = folder.run(&[&["invoke", worker, other], &url[..], arguments].concat());
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    finished.stdout
}

fn seen(colour: &str, all: &str) -> String {
    format!("Some(\"{colour}\") None {all} {all}")
}

#[test]
fn a_worker_reads_its_vars_in_the_store_and_in_the_environment() {
    let red = seen("red", r#"[("COLOUR", "red"), ("SIZE", "3")]"#);
    assert_eq!(vars("w", &[]), red);
}

#[test]
fn an_environment_has_vars_of_its_own() {
    let blue = seen(
        "blue",
        r#"[("COLOUR", "blue"), ("SHAPE", "{\"round\":true}")]"#,
    );
    assert_eq!(vars("w", &["--env", "staging"]), blue);
}

#[test]
fn vars_of_the_command_line_are_for_all_workers() {
    let green = seen(
        "green",
        r#"[("COLOUR", "green"), ("SIZE", "3"), ("X", "a:b.c=")]"#,
    );
    for worker in ["w", "v"] {
        let given = ["--var", "COLOUR:green", "--var", "X:a:b.c="];
        assert_eq!(vars(worker, &given), green);
    }
}

#[test]
fn vars_of_the_command_line_may_be_for_one_worker() {
    let red = seen("red", r#"[("COLOUR", "red"), ("SIZE", "3")]"#);
    let empty = seen("", r#"[("COLOUR", ""), ("SIZE", "3")]"#);
    for (worker, expected) in [("w", red), ("v", empty)] {
        assert_eq!(vars(worker, &["--var", "v.COLOUR:"]), expected);
    }
}

#[test]
fn the_last_of_several_vars_of_one_name_counts() {
    let last = seen("4", r#"[("COLOUR", "4"), ("SIZE", "3")]"#);
    let given = [
        "--var",
        "COLOUR:1",
        "--var",
        "w.COLOUR:2",
        "--var",
        "COLOUR:4",
    ];
    assert_eq!(vars("w", &given), last);
}

#[test]
fn an_environment_names_the_worker() {
    let folder = Folder::new();
    folder
        .worker(
            "w",
            "hello",
            "[env.staging]\ntail_consumers = [{ service = \"t-staging\" }]",
        )
        .worker("t", "tail-probe", "[env.staging.vars]\nMODE = \"quiet\"");
    let finished = folder.run(&[
        "invoke",
        "w",
        "t",
        "-e",
        "staging",
        "--var",
        "w-staging.GREETING:Hi",
        "--items",
        "items",
    ]);
    assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), ""));
    assert_eq!(finished.stdout, "Hi from /\n");
    let items = std::fs::read_to_string(folder.path().join("items")).unwrap();
    for name in ["w-staging", "t-staging"] {
        let script = format!("\"scriptName\":\"{name}\"");
        assert!(items.contains(&script), "{items}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_may_be_configured_in_json_with_comments() {
    let folder = Folder::new();
    let main = component("hello");
    let text = format!(
        "{{\n  // who\n  \"name\": \"w\",\n  \"main\": {main:?},\n  \"vars\": {{ \"GREETING\": \"Hey\" }},\n}}"
    );
    folder.write("w/wrangler.jsonc", text);
    for path in ["w", "w/wrangler.jsonc"] {
        let scenario = Scenario::of(&folder, &[path]).await;
        assert_eq!(scenario.get("w", "/").await.text(), "Hey from /\n");
    }
}

#[test]
fn without_a_path_the_worker_is_that_of_the_current_folder() {
    let folder = Folder::new();
    folder.worker("w", "hello", "");
    let mut command = folder.taffrail(&["invoke"]);
    command.current_dir(folder.path().join("w"));
    let finished = taffrail_tests::process::run(command);
    assert_eq!(
        (finished.code, finished.stdout.as_str()),
        (Some(0), "Hello from /\n")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cpu_limit_ends_an_invocation() {
    let folder = Folder::new();
    folder.worker("w", "probe", "[limits]\ncpu_ms = 20");
    let scenario = Scenario::of(&folder, &["w"]).await;
    let answer = scenario.get("w", "/work/loop").await;
    assert_eq!(answer.failed, Some(Outcome::ExceededCpu));
    let item = scenario.item("w");
    assert_eq!(item.outcome, Outcome::ExceededCpu);
    let limit = item.exceeded_limit.as_ref().unwrap();
    assert_eq!((&*limit.key, limit.value), ("limits.cpu_ms", 20));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_memory_limit_ends_an_invocation() {
    let folder = Folder::new();
    folder.worker("w", "probe", "[taffrail]\nmemory_mb = 8");
    let scenario = Scenario::of(&folder, &["w"]).await;
    for (mib, outcome) in [(1, Outcome::Ok), (8, Outcome::ExceededMemory)] {
        let path = format!("/fault/allocate?{}", mib << 20);
        _ = scenario.get("w", &path).await;
        assert_eq!(scenario.items().pop().unwrap().outcome, outcome);
    }
}
