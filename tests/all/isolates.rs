//! What requests of a script share: the isolate that they meet.

use http::Response;
use std::sync::Arc;
use taffrail_runtime::ResponseBody;
use taffrail_tests::client::Client;
use taffrail_tests::process::{Folder, Server};
use taffrail_tests::scenario::{
    Answer, Scenario, full, json, logs, next_piece, patiently, read, request,
};
use taffrail_trace::{Outcome, TraceItem};
use tokio::sync::mpsc;

const COUNTER: &str = "\
let count = 0;
let open;
const opened = new Promise((resolve) => { open = resolve; });
const encoder = new TextEncoder();
export default { async fetch(request, env, ctx) {
  const own = ++count;
  const { pathname } = new URL(request.url);
  console.log(pathname);
  switch (pathname) {
    case '/behind': ctx.waitUntil(scheduler.wait(200)); break;
    case '/stream': {
      let n = 0;
      return new Response(new ReadableStream({ async pull(controller) {
        await scheduler.wait(1);
        controller.enqueue(encoder.encode(`${own} `));
        if (++n === 3) controller.close();
      } }));
    }
    case '/endless':
      return new Response(new ReadableStream({ async pull(controller) {
        await scheduler.wait(1);
        controller.enqueue(encoder.encode('.'));
      } }));
    case '/throw': throw new Error('thrown');
    case '/loop': for (;;);
    case '/open': open(own); break;
    case '/wait': {
      let n = 0;
      return new Response(new ReadableStream({ async pull(controller) {
        if (++n === 1) return controller.enqueue(encoder.encode('waiting'));
        const by = await Promise.race([opened, scheduler.wait(60_000)]);
        console.log(`opened by ${by}`);
        controller.enqueue(encoder.encode(`opened by ${by}`));
        controller.close();
      } }));
    }
  }
  return new Response(String(own));
} };
";

fn worker(more: &str) -> Folder {
    let folder = Folder::new();
    folder.script("w", COUNTER, more);
    folder
}

async fn scenario(more: &str) -> (Folder, Arc<Scenario>) {
    let folder = worker(more);
    let scenario = Scenario::of(&folder, &["w"]).await;
    (folder, Arc::new(scenario))
}

/// What it answers, though work may go on behind that.
async fn answer(scenario: &Scenario, path: &str) -> Answer {
    scenario.stream("w", request(path, full(""))).await
}

/// A response that waits for `/open`.
async fn waiting(scenario: &Scenario) -> Response<ResponseBody> {
    let mut response = scenario.open("w", "/wait", full("")).await;
    assert_eq!(next_piece(response.body_mut()).await, "waiting");
    response
}

/// The items of the requests for this path, whose first line it is.
fn items_of(scenario: &Scenario, path: &str) -> Vec<Arc<TraceItem>> {
    let mut items = scenario.items();
    items.retain(|item| json(item)["logs"][0]["message"][0] == path);
    items
}

/// A request whose response has begun.
fn begun(server: &Server, path: &str) -> Client {
    let mut client = Client::connect(server.address);
    client.send(format!("GET {path} HTTP/1.1\r\nhost: w\r\n\r\n"));
    assert_eq!(client.head().status, 200);
    assert!(!client.piece().is_empty());
    client
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_one_after_another_meet_the_same_isolate() {
    let (_folder, scenario) = scenario("").await;
    let mut bodies = Vec::new();
    for path in [
        "/", "/behind", "/", "/stream", "/behind", "/behind", "/stream", "/throw", "/",
    ] {
        bodies.push(answer(&scenario, path).await.text());
    }
    // The one that throws has no answer of its own.
    assert_eq!(
        bodies,
        ["1", "2", "3", "4 4 4 ", "5", "6", "7 7 7 ", "", "9"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_wait_share_an_isolate_and_nothing_of_their_items() {
    let (_folder, scenario) = scenario("").await;
    let mut responses = Vec::new();
    for _ in 0..3 {
        responses.push(waiting(&scenario).await);
    }
    assert_eq!(answer(&scenario, "/open").await.text(), "4");
    for response in responses {
        assert_eq!(read(response).await.text(), "opened by 4");
    }
    scenario.idle().await;
    let lines = |path: &str| -> Vec<Vec<String>> {
        let items = items_of(&scenario, path);
        items.iter().map(|item| logs(item)).collect()
    };
    assert_eq!(lines("/open"), [["log /open"]]);
    assert_eq!(lines("/wait"), [["log /wait", "log opened by 4"]; 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_does_not_wait_for_one_that_computes() {
    let (_folder, scenario) = scenario("limits = { cpu_ms = 1000 }").await;
    let looping = tokio::spawn({
        let scenario = Arc::clone(&scenario);
        async move { answer(&scenario, "/loop").await.failed }
    });
    // One may wait for it, which came before it computed for long.
    let (answered, mut answers) = mpsc::unbounded_channel();
    for _ in 0..3 {
        let (scenario, answered) = (Arc::clone(&scenario), answered.clone());
        tokio::spawn(async move { answered.send(answer(&scenario, "/").await.status) });
    }
    for _ in 0..2 {
        assert_eq!(patiently(answers.recv()).await, Some(Some(200)));
    }
    assert!(!looping.is_finished());
    assert_eq!(looping.await.unwrap(), Some(Outcome::ExceededCpu));
    assert_eq!(patiently(answers.recv()).await, Some(Some(200)));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_uses_up_its_cpu_time_ends_its_isolate() {
    let (_folder, scenario) = scenario("limits = { cpu_ms = 500 }").await;
    let beside = waiting(&scenario).await;
    let looped = answer(&scenario, "/loop").await;
    assert_eq!(looped.failed, Some(Outcome::ExceededCpu));
    assert!(read(beside).await.broken);
    assert_eq!(answer(&scenario, "/").await.text(), "1");
    scenario.idle().await;
    let [looped, beside] = ["/loop", "/wait"].map(|path| items_of(&scenario, path).remove(0));
    assert_eq!(looped.outcome, Outcome::ExceededCpu);
    assert_eq!(
        beside.outcome,
        Outcome::ResponseStreamDisconnected,
        "{beside:?}"
    );
    assert_eq!(
        beside.exceptions[0].message,
        "The isolate of the Worker was ended by another event."
    );
}

#[test]
fn a_client_that_leaves_ends_its_own_request_alone() {
    let folder = worker("");
    let server = folder.start(&["serve", "w"]);
    let mut beside = begun(&server, "/wait");
    drop(begun(&server, "/endless"));
    while server.item()["outcome"] != "canceled" {}
    assert_eq!(server.get("/open").body, "3");
    assert_eq!(beside.piece(), b"opened by 3");
    // Nothing has started the script anew.
    drop(begun(&server, "/endless"));
    while server.item()["outcome"] != "canceled" {}
    assert_eq!(server.get("/").body, "5");
    _ = server.terminate();
}
