//! Components that call other Workers by their bindings.

use serde_json::Value;
use taffrail_tests::guests;
use taffrail_tests::process::{Folder, run_recorded};

#[test]
fn a_component_fetches_another_worker_and_both_are_recorded() {
    let folder = Folder::new();
    let binding = "services = [{ binding = \"OTHER\", service = \"callee\" }]";
    folder.worker("caller", "probe", binding).script(
        "callee",
        "export default { fetch(request) { return new Response('saw ' + request.url); } }",
        "",
    );
    let url = "http://localhost/binding/fetch?OTHER";
    let command = folder.taffrail(&["invoke", "caller", "callee", "--url", url]);
    let (finished, items) = run_recorded(command);
    assert_eq!(
        finished.stdout, "200 saw http://callee/status?200",
        "{}",
        finished.stderr
    );
    let of = |name: &str| {
        let mut items = items.iter();
        items.find(|item| item["scriptName"] == name).unwrap()
    };
    assert_eq!(
        of("callee")["parentInvocationId"],
        of("caller")["invocationId"]
    );
    assert_eq!(of("callee")["requestId"], of("caller")["requestId"]);
}

#[test]
fn a_callee_that_fails_is_an_error_with_what_it_said() {
    let folder = Folder::new();
    let binding = "services = [{ binding = \"OTHER\", service = \"callee\" }]";
    folder.worker("caller", "probe", binding).script(
        "callee",
        "export default { fetch() { throw new TypeError('not today'); } }",
        "",
    );
    let fetch = |binding: &str| {
        let url = format!("http://localhost/binding/fetch?{binding}");
        folder
            .run(&["invoke", "caller", "callee", "--url", &url])
            .stdout
    };
    assert_eq!(
        fetch("OTHER"),
        "ErrorCode::InternalError(Some(\"not today\"))"
    );
    assert_eq!(
        fetch("NOBODY"),
        "ErrorCode::InternalError(Some(\"there is no service binding `NOBODY`\"))"
    );
}

#[test]
fn a_component_loads_another_one_and_watches_its_call() {
    let folder = Folder::new();
    folder.worker(
        "maker",
        "probe",
        "worker_loaders = [{ binding = \"LOADER\" }]",
    );
    let load = |binding: &str, body: &str| {
        let url = format!("http://localhost/binding/load?{binding}");
        let arguments = ["invoke", "maker", "-X", "POST", "-d", body, "--url", &url];
        run_recorded(folder.taffrail(&arguments))
    };
    let hello = format!("@{}", guests::component("hello").display());
    let (finished, items) = load("LOADER", &hello);
    let mut lines = finished.stdout.lines();
    assert_eq!(
        lines.next(),
        Some("200 hi from /status"),
        "{}",
        finished.stderr
    );
    let last: Value = serde_json::from_str(lines.next_back().unwrap()).unwrap();
    assert_eq!(last["outcome"], "ok");
    let find = |is_it: fn(&Value) -> bool| items.iter().find(|item| is_it(item)).unwrap();
    let dynamic = find(|item| item["scriptName"].is_null());
    // It has no handler for it, which is told of, too.
    let tail = find(|item| item["event"].get("consumedEvents").is_some());
    assert_eq!(tail["scriptName"], "maker");
    let logs = dynamic["logs"].as_array().unwrap().len();
    assert_eq!(lines.count(), logs, "{}", finished.stdout);

    let script = "export default { fetch(request, env) { console.log('here'); return new Response(env.GREETING + '\\n'); } }";
    let (finished, _) = load("LOADER", script);
    assert!(
        finished.stdout.starts_with("200 hi\n{\"type\":\"log\""),
        "{} {}",
        finished.stdout,
        finished.stderr
    );

    assert_eq!(
        load("NONE", "x").0.stdout,
        "there is no worker loader `NONE`"
    );
    let (finished, _) = load("LOADER", "x");
    assert!(
        finished
            .stdout
            .starts_with("`main.wasm` cannot run: it is not a WebAssembly component"),
        "{}",
        finished.stdout
    );
}
