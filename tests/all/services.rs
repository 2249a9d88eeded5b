//! Components that call other Workers by their bindings.

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
