//! Dispatch namespaces.

use serde_json::{Value, json};
use std::fs;
use taffrail_tests::folder::Folder;
use taffrail_tests::scenario::{Scenario, refused};

const DISPATCHER: &str = "\
export default { async fetch(request, env) {
  const name = new URL(request.url).pathname.slice(1);
  try {
    const user = env.DISPATCHER.get(name, {}, { outbound: { customer: name }, limits: { cpuMs: 50 } });
    return await user.fetch(request);
  } catch (error) {
    return new Response(error.message);
  }
} };
";

const BINDINGS: &str = "\
tail_consumers = [{ service = \"tail\" }]
dispatch_namespaces = [{ binding = \"DISPATCHER\", namespace = \"production\", outbound = { service = \"out\" } }]
[taffrail.dispatch_namespaces]
production = \"../users\"
";

const OUTBOUND: &str = "\
export default { fetch(request, env) { return new Response(env.customer + ' to ' + request.url); } };
";

const TAIL: &str = "\
export default { tail(events) {
  console.log(events.map(({ scriptName, dispatchNamespace, outcome }) => [scriptName, dispatchNamespace ?? null, outcome]));
} };
";

async fn platform() -> (Folder, Scenario) {
    let folder = Folder::new();
    folder
        .script("dispatcher", DISPATCHER, BINDINGS)
        .script("out", OUTBOUND, "")
        .script("tail", TAIL, "")
        .script(
            "users/alice",
            "export default { fetch() { return fetch('http://home.test/'); } }",
            "",
        );
    // The name of a Worker has no slash.
    folder.write(
        "users/alice/wrangler.toml",
        "name = \"alice\"\nmain = \"worker.js\"\n",
    );
    folder.write("users/loop.js", "export default { fetch() { for (;;); } }");
    let scenario = Scenario::of(&folder, &["dispatcher", "out", "tail"]).await;
    (folder, scenario)
}

/// What a user Worker answers, or why it does not.
async fn answer_of(scenario: &Scenario, user: &str) -> String {
    scenario.get("dispatcher", &format!("/{user}")).await.text()
}

/// What the tail was told, one entry a call.
fn told(items: &[Value]) -> Vec<Value> {
    let tails = items.iter().filter(|item| item["scriptName"] == "tail");
    tails
        .map(|item| item["logs"][0]["message"][0].clone())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tail_hears_of_the_dispatcher_and_its_user_worker_in_one_call() {
    let (_folder, scenario) = platform().await;
    for (user, expected) in [
        ("alice", "alice to http://home.test/"),
        ("nobody", "Worker not found."),
        ("loop", "Worker exceeded CPU time limit."),
    ] {
        assert_eq!(answer_of(&scenario, user).await, expected);
    }
    let mut told = told(&scenario.json());
    told.sort_by_key(Value::to_string);
    assert_eq!(
        told,
        [
            json!([["dispatcher", null, "ok"], ["alice", "production", "ok"]]),
            json!([
                ["dispatcher", null, "ok"],
                ["loop", "production", "exceededCpu"]
            ]),
            json!([
                ["dispatcher", null, "ok"],
                ["nobody", "production", "scriptNotFound"]
            ]),
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_come_change_and_go_without_a_restart() {
    let (folder, scenario) = platform().await;
    let bob =
        |text: &str| format!("export default {{ fetch() {{ return new Response('{text}'); }} }}");
    assert_eq!(answer_of(&scenario, "bob").await, "Worker not found.");
    folder.write("users/bob.js", bob("one"));
    assert_eq!(answer_of(&scenario, "bob").await, "one");
    folder.write("users/bob.js", bob("the second"));
    assert_eq!(answer_of(&scenario, "bob").await, "the second");
    fs::remove_file(folder.path().join("users/bob.js")).unwrap();
    assert_eq!(answer_of(&scenario, "bob").await, "Worker not found.");
    folder.write("users/bob.js", "export default {");
    let answer = answer_of(&scenario, "bob").await;
    assert!(
        answer.starts_with("The Worker `bob` of the dispatch namespace `production` cannot run:"),
        "{answer}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_may_be_the_dispatcher() {
    let folder = Folder::new();
    let alice = "export default { fetch() { return fetch('http://home.test/'); } }";
    folder
        .worker("dispatcher", "probe", BINDINGS)
        .script("out", OUTBOUND, "")
        .script("tail", TAIL, "")
        .write("users/alice.js", alice);
    let scenario = Scenario::of(&folder, &["dispatcher", "out", "tail"]).await;
    let alice = scenario.get("dispatcher", "/binding/dispatch?alice").await;
    assert_eq!(alice.text(), "200 somebody to http://home.test/");
    assert_eq!(
        told(&scenario.json()),
        [json!([
            ["dispatcher", null, "ok"],
            ["alice", "production", "ok"]
        ])]
    );
    let nobody = scenario.get("dispatcher", "/binding/dispatch?nobody").await;
    assert_eq!(
        nobody.text(),
        "ErrorCode::InternalError(Some(\"Worker not found.\"))"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_without_a_place_is_an_error_at_the_start() {
    let folder = Folder::new();
    let binding = "dispatch_namespaces = [{ binding = \"D\", namespace = \"production\" }]";
    folder.script("w", DISPATCHER, binding);
    let error = refused(&folder, &["w"]).await;
    assert!(error.contains("the namespace `production`, whose Workers have no folder"));
}
