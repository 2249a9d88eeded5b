//! Workers in JavaScript and TypeScript: the examples, and what their users
//! meet when something is wrong with a script.

use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use taffrail_tests::folder::Folder;
use taffrail_tests::guests::root;
use taffrail_tests::process::{Finished, run, run_recorded, taffrail};
use taffrail_tests::scenario::{self, Answer, Scenario, full, refused, request};

/// `taffrail invoke` with examples and other arguments, with the items of the
/// Workers.
fn invoke(examples: &[&str], arguments: &[&str]) -> (Finished, Vec<Value>) {
    let mut command = taffrail();
    command.arg("invoke");
    for name in examples {
        command.arg(example(name));
    }
    command.args(arguments);
    run_recorded(command)
}

/// What the first of these examples answers to a request, and the items.
async fn get(examples: &[&str], path: &str) -> (Answer, Vec<Value>) {
    let folder = Folder::new();
    let paths: Vec<_> = examples.iter().map(|name| example(name)).collect();
    let paths: Vec<_> = paths.iter().map(|path| path.to_str().unwrap()).collect();
    let scenario = Scenario::of(&folder, &paths).await;
    let answer = scenario.get(examples[0], path).await;
    (answer, scenario.json())
}

fn example(name: &str) -> PathBuf {
    root().join("guest-examples/javascript").join(name)
}

fn logged(item: &Value) -> &Value {
    &item["logs"][0]["message"]
}

#[tokio::test(flavor = "multi_thread")]
async fn hello_answers_and_its_tail_tells_of_it() {
    let (answer, items) = get(&["hello", "tail-log"], "/there").await;
    assert_eq!(answer.text(), "Hello from /there\n");
    let [hello, tail] = &items[..] else {
        panic!("{items:?}");
    };
    let values = json!(["Hello,", { "method": "GET", "pathname": "/there" }]);
    assert_eq!(logged(hello), &values);
    let line = r#"hello GET /there ok | Hello, {"method":"GET","pathname":"/there"}"#;
    assert_eq!(logged(tail), &json!([line]));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_is_recorded_as_what_it_is() {
    for (path, outcome, name, message) in [
        ("throw", "exception", "TypeError", "this is thrown"),
        ("reject", "ok", "Error", "nobody waits for this"),
        ("midway", "exception", "Error", "the rest is missing"),
        (
            "loop",
            "exceededCpu",
            "Error",
            "Worker exceeded CPU time limit.",
        ),
        ("memory", "exceededMemory", "Error", "out of memory"),
        (
            "hang",
            "exception",
            "Error",
            "The Workers runtime canceled this request because",
        ),
        (
            "nothing",
            "exception",
            "TypeError",
            "Incorrect type for Promise",
        ),
    ] {
        let (_, items) = get(&["faulty", "tail-log"], &format!("/{path}")).await;
        let [faulty, tail] = &items[..] else {
            panic!("{path}: {items:?}");
        };
        assert_eq!(faulty["outcome"], outcome, "{path}");
        let exception = &faulty["exceptions"][0];
        assert_eq!(exception["name"], name, "{path}");
        let told = exception["message"].as_str().unwrap();
        assert!(told.starts_with(message), "{path}: {told}");
        assert_eq!(
            logged(faulty),
            &json!(["about to fail:", format!("/{path}")])
        );
        assert_eq!(tail["outcome"], "ok", "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stack_names_the_users_own_source() {
    let (_, items) = get(&["faulty", "tail-log"], "/throw").await;
    let stack = items[0]["exceptions"][0]["stack"].as_str().unwrap();
    assert_eq!(
        stack,
        "    at worker.js:4:11\n    at fetch (worker.js:36:12)"
    );
}

#[test]
fn a_cron_trigger_is_an_event() {
    let cron = ["--event", "scheduled", "--cron", "*/5 * * * *"];
    let closed = ["--var", "heartbeat.TARGET:http://127.0.0.1:1/"];
    let (_, items) = invoke(
        &["heartbeat", "tail-log"],
        &[&cron[..], &closed[..]].concat(),
    );
    assert_eq!(items[0]["event"]["cron"], "*/5 * * * *");
    // What is given to `waitUntil` counts for a scheduled event.
    assert_eq!(items[0]["outcome"], "exception");
    let line = logged(&items[1])[0].as_str().unwrap();
    assert!(line.starts_with("heartbeat */5 * * * * exception | */5 * * * * is due at "));
}

#[test]
fn a_tail_posts_the_items_as_json() {
    let folder = Folder::new();
    folder
        .write("sink/worker.js", SINK)
        .write("sink/wrangler.toml", config("sink", ""));
    let sink = folder.start(&["serve", "sink", "--format", "json"]);
    let endpoint = format!("tail-http.ENDPOINT:http://{}/", sink.address);
    let tails = folder_with_tail("tail-http");
    let mut command = tails.taffrail(&["invoke", "hello"]);
    command.arg(example("tail-http"));
    command.args(["--url", "http://localhost/", "--var", &endpoint]);
    assert_eq!(run(command).code, Some(0));
    let item = sink.item();
    assert_eq!(logged(&item), &json!(["POST", 1, "hello", "ok"]));
}

#[test]
fn a_tail_may_be_in_service_worker_syntax() {
    let folder = folder_with_tail("tail-service-worker");
    let mut command = folder.taffrail(&["invoke", "hello"]);
    command.arg(example("tail-service-worker"));
    command.args(["--url", "http://localhost/"]);
    let (finished, items) = run_recorded(command);
    assert_eq!(finished.code, Some(0));
    assert_eq!(logged(&items[1]), &json!(["hello ended ok after 1 log(s)"]));
}

#[test]
fn a_tail_writes_a_data_point_for_each_invocation() {
    let folder = folder_with_tail("tail-analytics");
    let mut command = folder.taffrail(&["invoke", "hello"]);
    command.arg(example("tail-analytics"));
    assert_eq!(run(command).code, Some(0));
    let store = folder.path().join("hello/.taffrail/store.sqlite");
    let row: (String, String, String) = rusqlite::Connection::open(store)
        .unwrap()
        .query_row("SELECT blob1, blob2, index1 FROM analytics", [], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .unwrap();
    assert_eq!(row, ("hello".into(), "ok".into(), "local".into()));
}

#[test]
fn the_playground_runs_what_it_is_sent_and_tells_its_logs() {
    let play = |source: &str| {
        let (finished, items) = invoke(&["playground"], &["-d", source]);
        let answer: Value = serde_json::from_str(&finished.stdout).unwrap();
        (answer, items)
    };
    let (answer, items) =
        play("export default { fetch() { console.log('hi'); return new Response('there'); } }");
    assert_eq!(answer["body"], "there");
    assert_eq!(answer["logs"][0]["message"], json!(["hi"]));
    assert_eq!(answer["logs"][1]["outcome"], "ok");
    let tail = items.iter().find(|item| item["entrypoint"] == "Tail");
    assert_eq!(logged(tail.unwrap())[0]["logs"], 1);
    let (answer, _) = play("export default { fetch() { for (;;); } }");
    assert_eq!(answer["error"], "Error: Worker exceeded CPU time limit.");
    assert_eq!(answer["logs"][1]["outcome"], "exceededCpu");
}

/// Says what it received.
const SINK: &str = "\
export default {
  async fetch(request) {
    const items = await request.json();
    console.log(request.method, items.length, items[0].scriptName, items[0].outcome);
    return new Response();
  },
};
";

const HELLO: &str = "\
export default {
  fetch(request) {
    console.log('here');
    return new Response('hello');
  },
};
";

fn config(name: &str, more: &str) -> String {
    format!(
        "name = \"{name}\"\nmain = \"worker.js\"\ncompatibility_date = \"2026-04-01\"\n{more}\n"
    )
}

fn folder_with_tail(tail: &str) -> Folder {
    let folder = Folder::new();
    let tails = format!("tail_consumers = [{{ service = \"{tail}\" }}]");
    folder
        .write("hello/worker.js", HELLO)
        .write("hello/wrangler.toml", config("hello", &tails));
    folder
}

/// A folder with one script.
fn script(source: &str) -> Folder {
    let folder = Folder::new();
    folder
        .write("worker.js", source)
        .write("wrangler.toml", config("w", ""));
    folder
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_that_cannot_start_is_refused_with_the_place() {
    for (source, told) in [
        ("export default {\n  fetch( {\n};", "worker.js:3:1:"),
        (
            "import x from './missing';\nexport default { fetch: x };",
            "worker.js:1:14",
        ),
        (
            "const x = 1;\nthrow new Error('too early');",
            "worker.js:2:7",
        ),
        ("export const x = 1;", "No event handlers were registered."),
    ] {
        let folder = script(source);
        let error = refused(&folder, &["."]).await;
        assert!(error.contains(told), "{source}: {error}");
    }
}

#[test]
fn a_new_version_serves_once_it_is_saved_and_a_bad_one_does_not() {
    let folder = script(HELLO);
    let server = folder.start(&["dev", "."]);
    assert_eq!(server.get("/").body, "hello");
    folder.write("worker.js", "export default { fetch( {");
    server.until_stderr("worker.js:1:");
    assert_eq!(server.get("/").body, "hello");
    folder.write("worker.js", HELLO.replace("'hello'", "'goodbye'"));
    server.until_stderr("Reloaded");
    assert_eq!(server.get("/").body, "goodbye");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_keeps_its_globals_but_nothing_of_an_earlier_request() {
    let source = "\
let count = 0;
export default {
  async fetch(request, env, ctx) {
    count += 1;
    setTimeout(() => console.log('late', count), 10_000);
    return new Response(String(count));
  },
};
";
    let folder = script(source);
    let scenario = Scenario::of(&folder, &["."]).await;
    for answer in ["1", "2", "3"] {
        assert_eq!(scenario.get("w", "/").await.text(), answer);
    }
    assert!(scenario.items().iter().all(|item| item.logs.is_empty()));
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_requests_do_not_share_an_instance_or_their_logs() {
    let source = "\
export default {
  async fetch(request) {
    const id = new URL(request.url).pathname;
    console.log(id);
    await scheduler.wait(50);
    console.log(id);
    return new Response(id);
  },
};
";
    let folder = script(source);
    let scenario = Arc::new(Scenario::of(&folder, &["."]).await);
    let asked = (0..8).map(|index| {
        let scenario = Arc::clone(&scenario);
        let request = request(&format!("/{index}"), full(""));
        tokio::spawn(async move { scenario.stream("w", request).await.text() })
    });
    for (index, asked) in asked.collect::<Vec<_>>().into_iter().enumerate() {
        assert_eq!(asked.await.unwrap(), format!("/{index}"));
    }
    scenario.idle().await;
    let items = scenario.json();
    assert_eq!(items.len(), 8);
    for item in items {
        let url = item["event"]["request"]["url"].as_str().unwrap();
        let path = url.rsplit_once('/').unwrap().1;
        let logs = item["logs"].as_array().unwrap();
        let expected = json!([format!("/{path}")]);
        assert!(logs.iter().all(|log| log["message"] == expected), "{item}");
        assert_eq!(logs.len(), 2);
    }
}

#[test]
fn a_built_component_runs_without_its_sources() {
    let folder = script(HELLO);
    let built = folder.run(&["build", "."]);
    assert_eq!(built.code, Some(0), "{}", built.stderr);
    fs::remove_file(folder.path().join("worker.js")).unwrap();
    let component = fs::read_dir(folder.path())
        .unwrap()
        .chain(
            fs::read_dir(folder.path().join("dist"))
                .into_iter()
                .flatten(),
        )
        .map(|entry| entry.unwrap().path())
        .find(|path| {
            path.extension()
                .is_some_and(|extension| extension == "wasm")
        })
        .unwrap();
    let finished = folder.run(&["invoke", component.to_str().unwrap()]);
    assert_eq!(finished.stdout, "hello", "{}", finished.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_binding_calls_another_worker_and_both_are_recorded() {
    let folder = Folder::new();
    let caller = "\
export default {
  async fetch(request, env) {
    const answer = await env.OTHER.fetch('http://other/path', { method: 'POST', body: 'some' });
    return new Response('got ' + (await answer.text()));
  },
};
";
    let callee = "\
import { WorkerEntrypoint } from 'cloudflare:workers';
export class Named extends WorkerEntrypoint {
  async fetch(request) {
    console.log(request.method, this.ctx.props.plan);
    return new Response((await request.text()).toUpperCase());
  }
}
";
    let binding = "services = [{ binding = \"OTHER\", service = \"b\", entrypoint = \"Named\", props = { plan = \"free\" } }]";
    folder
        .write("a/worker.js", caller)
        .write("a/wrangler.toml", config("a", binding))
        .write("b/worker.js", callee)
        .write("b/wrangler.toml", config("b", ""));
    let (answer, items) = scenario::invoke(&folder, &["a", "b"]).await;
    assert_eq!(answer.text(), "got SOME");
    let of = |name: &str| {
        let mut items = items.iter();
        items.find(|item| item["scriptName"] == name).unwrap()
    };
    let (a, b) = (of("a"), of("b"));
    assert_eq!(logged(b), &json!(["POST", "free"]));
    assert_eq!(b["entrypoint"], "Named");
    assert_eq!(b["parentInvocationId"], a["invocationId"]);
    assert_eq!(b["requestId"], a["requestId"]);
    assert_eq!(a["requestId"], a["invocationId"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_that_call_each_other_in_a_circle_are_told() {
    let source = "\
export default {
  async fetch(request, env) {
    try {
      return await env.SELF.fetch(request);
    } catch (error) {
      return new Response(error.message);
    }
  },
};
";
    let folder = Folder::new();
    let binding = "services = [{ binding = \"SELF\", service = \"w\" }]";
    folder
        .write("worker.js", source)
        .write("wrangler.toml", config("w", binding));
    let scenario = Scenario::of(&folder, &["."]).await;
    let answer = scenario.get("w", "/").await.text();
    assert!(
        answer.contains("is there a cycle of service bindings"),
        "{answer}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_not_there_is_an_error_at_the_start() {
    let folder = Folder::new();
    let binding = "services = [{ binding = \"OTHER\", service = \"b\" }]";
    folder
        .write("worker.js", HELLO)
        .write("wrangler.toml", config("w", binding));
    let error = refused(&folder, &["."]).await;
    assert!(
        error.contains("the binding `OTHER` in `services` is for the service `b`"),
        "{error}"
    );
}
