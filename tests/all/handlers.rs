//! The handlers of scripts, and what they may do and be.

use serde_json::{Value, json};
use taffrail_runtime::{Event, QueueMessage};
use taffrail_tests::folder::Folder;
use taffrail_tests::scenario::{Answer, Scenario, invoke};

#[tokio::test(flavor = "multi_thread")]
async fn modules_are_strict_and_classic_scripts_are_not() {
    let assign = "const o = Object.freeze({ a: 1 }); let told = 'ignored'; try { o.a = 2; } catch (error) { told = error.name; }";
    let folder = Folder::new();
    folder
        .script(
            "module",
            &format!("export default {{ fetch() {{ {assign} return new Response(told); }} }};"),
            "",
        )
        .script(
            "classic",
            &format!("addEventListener('fetch', (event) => {{ {assign} event.respondWith(new Response(told)); }});"),
            "",
        );
    for (worker, told) in [("module", "TypeError"), ("classic", "ignored")] {
        assert_eq!(invoke(&folder, &[worker]).await.0.text(), told);
    }
}

/// The items of what a Worker named `w` and other Workers do, by the one that
/// ran, and what the client was answered.
async fn items(folder: &Folder, workers: &[&str]) -> (Answer, Vec<Value>) {
    let (answer, items) = invoke(folder, workers).await;
    let own = items.into_iter().filter(|item| item["scriptName"] == "w");
    (answer, own.collect())
}

fn worker(source: &str, more: &str) -> Folder {
    let folder = Folder::new();
    folder.script("w", source, more);
    folder
}

fn messages(item: &Value) -> Vec<&Value> {
    let logs = item["logs"].as_array().unwrap();
    logs.iter().map(|log| &log["message"]).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_aborted_invocation_runs_no_further_and_tells_the_reason() {
    for (call, name, message) in [
        ("ctx.abort(new TypeError('why'))", "TypeError", "why"),
        ("ctx.abort('plain')", "Error", "plain"),
        (
            "ctx.abort()",
            "Error",
            "Worker execution was aborted due to call to ctx.abort().",
        ),
    ] {
        let source = format!(
            "export default {{ async fetch(request, env, ctx) {{ try {{ {call}; }} catch {{ console.log('caught'); }} console.log('after'); return new Response('x'); }} }};"
        );
        let (answer, items) = items(&worker(&source, ""), &["w"]).await;
        assert_ne!(answer.text(), "x", "{call}");
        assert_eq!(items[0]["outcome"], "exception", "{call}");
        assert_eq!(messages(&items[0]), Vec::<&Value>::new(), "{call}");
        let exceptions = items[0]["exceptions"].as_array().unwrap();
        assert_eq!(exceptions.len(), 1, "{call}");
        assert_eq!(exceptions[0]["name"], name, "{call}");
        assert_eq!(exceptions[0]["message"], message, "{call}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_aborts_is_made_anew_and_has_its_name() {
    let source = "
        import { DurableObject } from 'cloudflare:workers';
        export class Room extends DurableObject {
          #visits = 0;
          visit() { return [this.ctx.id.name, ++this.#visits].join(' '); }
          stop() { this.ctx.abort(new RangeError('full')); }
        }
        export default { async fetch(request, env) {
          const room = env.NS.getByName('hall');
          const lines = [await room.visit(), await room.visit()];
          try { await room.stop(); } catch (error) { lines.push(error.message); }
          lines.push(await room.visit(), await env.NS.get(env.NS.newUniqueId()).visit());
          return new Response(lines.join('|'));
        } };";
    let binding = "durable_objects.bindings = [{ name = \"NS\", class_name = \"Room\" }]";
    let (answer, items) = items(&worker(source, binding), &["w"]).await;
    assert_eq!(answer.text(), "hall 1|hall 2|RangeError: full|hall 1| 1");
    let stopped = items
        .iter()
        .find(|item| item["event"]["rpcMethod"] == "stop");
    let exception = &stopped.unwrap()["exceptions"][0];
    assert_eq!(exception["message"], "RangeError: full");
    assert_eq!(exception.get("stack"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_may_block_while_it_blocks_and_sets_an_alarm_only_with_a_handler() {
    let source = "
        import { DurableObject } from 'cloudflare:workers';
        export class Room extends DurableObject {
          async nested() {
            return this.ctx.blockConcurrencyWhile(async () => {
              const inner = await this.ctx.blockConcurrencyWhile(async () => { await scheduler.wait(1); return 3; });
              return inner + 1;
            });
          }
          async late() { await this.ctx.storage.setAlarm(Date.now()); }
        }
        export default { async fetch(request, env) {
          const room = env.NS.getByName('hall');
          const late = await room.late().catch((error) => error.message);
          return new Response(`${await room.nested()} ${late}`);
        } };";
    let binding = "durable_objects.bindings = [{ name = \"NS\", class_name = \"Room\" }]";
    let (answer, _) = items(&worker(source, binding), &["w"]).await;
    assert_eq!(
        answer.text(),
        "4 Your Durable Object class must have an alarm() handler in order to call setAlarm()"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn handlers_need_not_be_async() {
    let source = "export default {
      fetch() { return new Response('plain'); },
      scheduled({ cron }) { console.log(cron); },
      queue({ messages }) { console.log(messages.length); },
    };";
    let folder = worker(source, "");
    let scenario = Scenario::of(&folder, &["w"]).await;
    assert_eq!(scenario.get("w", "/").await.text(), "plain");
    let message = QueueMessage {
        id: "1".to_owned(),
        timestamp: 0,
        attempts: 1,
        body: serde_json::value::to_raw_value(&1).unwrap(),
    };
    for (event, logged) in [
        (Event::scheduled("* * * * *", None), json!(["* * * * *"])),
        (Event::queue("queue", vec![message]), json!([1])),
    ] {
        scenario.runtime().dispatch("w", event).await.unwrap();
        scenario.idle().await;
        let item = scenario.json().pop().unwrap();
        assert_eq!(item["outcome"], "ok");
        assert_eq!(messages(&item), [&logged]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_is_missing_is_told_in_workerds_words_and_not_tried_again() {
    let caller = "export default { async fetch(request, env) { return Response.json(await env.W.scheduled({ cron: '* * * * *' })); } };";
    let folder = worker("export default { fetch() {} };", "");
    folder.script(
        "caller",
        caller,
        "services = [{ binding = \"W\", service = \"w\" }]",
    );
    let (answer, items) = items(&folder, &["caller", "w"]).await;
    let result: Value = serde_json::from_str(&answer.text()).unwrap();
    assert_eq!(result, json!({ "outcome": "exception", "noRetry": true }));
    assert_eq!(
        items[0]["exceptions"][0]["message"],
        "Handler does not export a scheduled() function"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_worker_throws_is_remote_and_has_the_callers_stack() {
    let caller = "
        async function call(work) {
          try { await work(); } catch (error) { return [error.name, error.message, error.remote, error.stack.includes('at call')]; }
        }
        export default { async fetch(request, { B }) {
          return Response.json([await call(() => B.fetch('http://b/')), await call(() => B.standard()), await call(() => B.own()), await call(() => B.text()), await call(() => B.object())]);
        } };";
    let callee = "
        import { WorkerEntrypoint } from 'cloudflare:workers';
        class Mine extends Error { name = 'Mine'; }
        export default class extends WorkerEntrypoint {
          fetch() { throw new RangeError('fetched'); }
          standard() { throw new TypeError('called'); }
          own() { throw new Mine('own'); }
          text() { throw 'text'; }
          object() { throw { a: 1 }; }
        }";
    let folder = worker(callee, "");
    folder.script(
        "caller",
        caller,
        "services = [{ binding = \"B\", service = \"w\" }]",
    );
    let (answer, _) = items(&folder, &["caller", "w"]).await;
    let told: Value = serde_json::from_str(&answer.text()).unwrap();
    let expected = json!([
        ["RangeError", "fetched", true, true],
        ["TypeError", "called", true, true],
        ["Error", "Mine: own", true, true],
        ["Error", "text", true, true],
        ["Error", "#<Object>", true, true],
    ]);
    assert_eq!(told, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_that_nobody_handles_are_events() {
    let source = "
        const seen = [];
        addEventListener('error', (event) => seen.push([String(event), event.message, event.error]));
        addEventListener('unhandledrejection', (event) => seen.push([String(event), String(event.reason)]));
        addEventListener('rejectionhandled', (event) => seen.push([String(event), event.promise instanceof Promise]));
        export default { async fetch() {
          queueMicrotask(() => { throw 'micro'; });
          await scheduler.wait(1);
          reportError(7);
          const late = Promise.reject('late');
          await scheduler.wait(20);
          late.catch(() => {});
          await scheduler.wait(1);
          return Response.json(seen);
        } };";
    let (answer, _) = items(&worker(source, ""), &["w"]).await;
    let told: Value = serde_json::from_str(&answer.text()).unwrap();
    let expected = json!([
        ["[object ErrorEvent]", "Uncaught micro", "micro"],
        ["[object ErrorEvent]", "Uncaught 7", 7],
        ["[object PromiseRejectionEvent]", "late"],
        ["[object PromiseRejectionEvent]", true],
    ]);
    assert_eq!(told, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_engine_alone_calls_an_error_is_a_range_error() {
    let source = "function f(n) { return f(n + 1) + 1; }
        export default { fetch() {
          try { f(0); } catch (error) { console.log(error.name, error instanceof RangeError, typeof InternalError); console.error(error); }
          f(1);
        } };";
    let (_, items) = items(&worker(source, ""), &["w"]).await;
    let item = &items[0];
    assert_eq!(messages(item)[0], &json!(["RangeError", true, "undefined"]));
    for told in [&item["exceptions"][0], &item["logs"][1]["errorInfo"][0]] {
        assert_eq!(told["name"], "RangeError");
        let stack = told["stack"].as_str().unwrap();
        assert!(stack.starts_with("    at f "), "{stack}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_that_throws_when_it_is_looked_at_is_logged_as_text() {
    let source = "export default { fetch() {
          const error = new Error('m');
          Object.defineProperty(error, 'stack', { get() { throw new Error('no'); } });
          console.log('x', error);
          return new Response('x');
        } };";
    let (_, items) = items(&worker(source, ""), &["w"]).await;
    assert_eq!(items[0]["outcome"], "ok");
    assert_eq!(messages(&items[0]), [&json!(["x", "Error: m"])]);
    assert_eq!(items[0]["logs"][0].get("errorInfo"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_beyond_the_budget_of_its_item_reaches_the_worker() {
    let caller = "export default { async fetch(request, env) {
          const headers = {};
          for (let n = 0; n < 300; n += 1) headers[`x-${n}`] = 'v'.repeat(1000);
          return env.W.fetch('http://w/', { headers });
        } };";
    let callee = "export default { fetch(request) { console.log('seen'); return new Response([...request.headers].length); } };";
    let folder = worker(callee, "");
    folder.script(
        "caller",
        caller,
        "services = [{ binding = \"W\", service = \"w\" }]",
    );
    let (answer, items) = items(&folder, &["caller", "w"]).await;
    assert_eq!(answer.text(), "300");
    let item = &items[0];
    assert_eq!(item["truncated"], true);
    let request = json!({ "url": "", "method": "GET", "headers": {} });
    assert_eq!(item["event"]["request"], request);
    let warning = json!(["Trace resource limit exceeded; could not capture event info."]);
    assert_eq!(messages(item), [&warning, &json!(["seen"])]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_is_the_tail_of_a_dynamic_worker() {
    let source = "
        import { DurableObject } from 'cloudflare:workers';
        export class Room extends DurableObject { tail(items) { console.log(this.ctx.id.name, items[0].logs[0].message[0]); } }
        export default { async fetch(request, env) {
          const tails = [env.NS.getByName('hall')];
          const code = \"export default { fetch() { console.log('dynamic'); return new Response('x'); } };\";
          const made = env.LOADER.get('d', () => ({ mainModule: 'm.js', modules: { 'm.js': code }, compatibilityDate: '2026-01-01', tails }));
          return made.getEntrypoint().fetch('http://d/');
        } };";
    let more = "durable_objects.bindings = [{ name = \"NS\", class_name = \"Room\" }]\nworker_loaders = [{ binding = \"LOADER\" }]";
    let (answer, items) = items(&worker(source, more), &["w"]).await;
    assert_eq!(answer.text(), "x");
    let tail = items.iter().find(|item| item["entrypoint"] == "Room");
    let tail = tail.unwrap_or_else(|| panic!("{items:?}"));
    assert_eq!(tail["executionModel"], "durableObject");
    assert_eq!(messages(tail), [&json!(["hall", "dynamic"])]);
}
