//! The promises of scripts: which rejections are reported, and what waits forever or is left.

use serde_json::Value;
use taffrail_tests::folder::Folder;
use taffrail_tests::scenario::{Scenario, full, invoke, json, next_piece, read, request};

/// The messages of the exceptions that are recorded for a request to a script.
async fn exceptions(body: &str) -> Vec<String> {
    let folder = Folder::new();
    let source = format!(
        "class Mine extends Promise {{}}
        export default {{ fetch() {{ {body}; return new Response('x'); }} }};"
    );
    folder.script("w", &source, "");
    let (answer, items) = invoke(&folder, &["w"]).await;
    assert_eq!(answer.text(), "x", "{body}");
    messages(&items[0])
}

fn messages(item: &Value) -> Vec<String> {
    let exceptions = item["exceptions"].as_array().unwrap();
    let text = |exception: &Value| exception["message"].as_str().unwrap().to_owned();
    exceptions.iter().map(text).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejection_that_nothing_handles_is_reported_once() {
    for body in [
        "Promise.reject(new Error('it'))",
        "new Promise(() => { throw new Error('it'); })",
        "Promise.reject(new Error('it')).then(() => {})",
        "Promise.reject(new Error('it')).finally(() => {})",
        "Promise.resolve().then(() => { throw new Error('it'); })",
        "Promise.resolve().then(() => Promise.reject(new Error('it')))",
        "new Promise((resolve) => resolve(Promise.reject(new Error('it'))))",
        "Promise.resolve({ then(_, reject) { reject(new Error('it')); } })",
        "Promise.all([Promise.reject(new Error('it')), 1])",
        "Mine.reject(new Error('it')).then(() => {})",
        "Mine.resolve().then(() => { throw new Error('it'); })",
        "(async () => { throw new Error('it'); })()",
        "(async () => Promise.reject(new Error('it')))()",
        "(async () => { for (let n = 0; n < 100; n++) await n; throw new Error('it'); })()",
        "Promise.resolve().then(async () => { await 1; throw new Error('it'); })",
        "queueMicrotask(() => Promise.resolve().then(() => queueMicrotask(() => Promise.reject(new Error('it')))))",
    ] {
        assert_eq!(exceptions(body).await, ["it"], "{body}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejection_that_is_handled_before_the_next_task_is_not_reported() {
    for body in [
        "Promise.reject(1).catch(() => {})",
        "const it = Promise.reject(1); Promise.resolve().then(() => it.catch(() => {}))",
        "const it = Promise.reject(1); (async () => { for (let n = 0; n < 100; n++) await n; it.then(null, () => {}); })()",
        "const it = Promise.reject(1).then(() => {}); it.catch(() => {})",
        "(async () => { try { await Promise.reject(1); } catch {} })()",
        "(async () => { try { await (async () => { await 1; throw 1; })(); } catch {} })()",
        "Promise.allSettled([Promise.reject(1)])",
        "Promise.race([1, Promise.reject(1)])",
        "Mine.reject(1).catch(() => {})",
    ] {
        assert_eq!(exceptions(body).await, [""; 0], "{body}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn promises_of_another_class_stay_of_it() {
    let body = "const it = Mine.resolve(1).then((one) => one);
        if (!(it instanceof Mine) || Mine.resolve(it) !== it) throw new Error('not of the class');
        class Other extends Promise { static get [Symbol.species]() { return Promise; } }
        const plain = Other.resolve(1).then((one) => one);
        if (plain instanceof Other || plain.constructor !== Promise) throw new Error('of the class');
        if (Promise[Symbol.species] !== Promise || Mine[Symbol.species] !== Mine) throw new Error('another species');";
    assert_eq!(exceptions(body).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_one_isolate_that_wait_forever_are_all_ended() {
    let folder = Folder::new();
    let source = "
        let isOpen = false;
        export default { async fetch(request) {
          if (request.url.endsWith('/open')) {
            isOpen = true;
            await new Promise(() => {});
          }
          let isBegun = false;
          return new Response(new ReadableStream({ async pull(controller) {
            if (isBegun) {
              while (!isOpen) await scheduler.wait(1);
              await new Promise(() => {});
            }
            isBegun = true;
            controller.enqueue(new TextEncoder().encode('begun'));
          } }));
        } };";
    folder.script("w", source, "");
    let scenario = Scenario::of(&folder, &["w"]).await;
    let mut waiting = scenario.open("w", "/", full("")).await;
    assert_eq!(next_piece(waiting.body_mut()).await, "begun");
    scenario.stream("w", request("/open", full(""))).await;
    drop(read(waiting).await);
    scenario.idle().await;
    let items = scenario.items();
    assert_eq!(items.len(), 2);
    for item in items {
        let messages = messages(&json(&item));
        assert_eq!(messages.len(), 1);
        let message = &messages[0];
        assert!(message.contains("your Worker's code had hung"), "{message}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_aborts_its_invocation_is_left_without_a_further_exception() {
    let folder = Folder::new();
    let source = "export default { fetch(request, env, ctx) { ctx.abort(new Error('it')); } };";
    folder.script("w", source, "");
    let (_, items) = invoke(&folder, &["w"]).await;
    assert_eq!(messages(&items[0]), ["it"]);
}
