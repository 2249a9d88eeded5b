//! Methods that one Worker calls of another.

use serde_json::{Value, json};
use taffrail_tests::folder::Folder;
use taffrail_tests::scenario::{Answer, invoke};

const CALLEE: &str = "\
import { WorkerEntrypoint, RpcTarget } from 'cloudflare:workers';
class Counter extends RpcTarget {
  #n = 0;
  add(by) { this.#n += by; console.log('counted', this.#n); return this.#n; }
}
export default class extends WorkerEntrypoint {
  secret = 'own';
  get plan() { return 'free'; }
  add(x, y) { return x + y; }
  counter() { return new Counter(); }
  async apply(callback) { return [await callback(1), await callback(2)]; }
  types() { return { date: new Date(5), bytes: new Uint8Array([1, 2]), big: 7n, nothing: undefined }; }
  body() { return new Response('streamed').body; }
  fails() { throw new RangeError('too far'); }
  loops() { for (;;); }
}
";

/// What a caller answers, as lines, and the items.
async fn call(body: &str, limits: &str) -> (Answer, Vec<Value>) {
    let caller = format!(
        "export default {{ async fetch(request, env) {{ const lines = []; const say = (...line) => lines.push(line.join(' '));\n{body}\nreturn new Response(lines.join('\\n')); }} }};"
    );
    let folder = Folder::new();
    folder
        .script(
            "a",
            &caller,
            "services = [{ binding = \"B\", service = \"b\" }]",
        )
        .script("b", CALLEE, limits);
    invoke(&folder, &["a", "b"]).await
}

fn rpc<'a>(items: &'a [Value], method: &str) -> &'a Value {
    let mut items = items.iter();
    let item = items.find(|item| item["event"]["rpcMethod"] == method);
    item.unwrap_or_else(|| panic!("no item of `{method}`"))
}

#[tokio::test(flavor = "multi_thread")]
async fn methods_properties_and_values_of_many_types_pass() {
    let (answer, items) = call(
        "say(await env.B.add(1, 2), await env.B.plan);
         const { date, bytes, big, nothing } = await env.B.types();
         say(date instanceof Date, bytes instanceof Uint8Array, bytes.length, big === 7n, nothing);
         say(await new Response(await env.B.body()).text());
         say(await env.B.apply((x) => x * 10));",
        "",
    )
    .await;
    assert_eq!(answer.text(), "3 free\ntrue true 2 true \nstreamed\n10,20");
    let add = rpc(&items, "add");
    let mut callers = items.iter();
    let caller = callers.find(|item| item["scriptName"] == "a").unwrap();
    assert_eq!(add["outcome"], "ok");
    assert_eq!(add["parentInvocationId"], caller["invocationId"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_stays_with_its_one_invocation_until_it_is_disposed_of() {
    let (answer, items) = call(
        "const counter = await env.B.counter();
         await counter.add(1);
         say(await counter.add(2));
         counter[Symbol.dispose]();
         say(await env.B.counter().add(5));",
        "",
    )
    .await;
    assert_eq!(answer.text(), "3\n5");
    let counters: Vec<_> = items
        .iter()
        .filter(|item| item["event"]["rpcMethod"] == "counter")
        .map(|item| item["logs"].as_array().unwrap().len())
        .collect();
    assert_eq!(counters, [2, 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_method_that_fails_is_an_error_for_the_caller_and_an_exception_of_the_callee() {
    let (answer, items) = call(
        "await env.B.fails().catch((error) => say(error.name, error.message));
         await env.B.secret.catch((error) => say(error.message));
         await env.B.nowhere().catch((error) => say(error.message));",
        "",
    )
    .await;
    assert_eq!(
        answer.text(),
        "RangeError too far\nThe RPC receiver does not implement the method \"secret\".\nThe RPC receiver does not implement the method \"nowhere\"."
    );
    let fails = rpc(&items, "fails");
    assert_eq!(fails["outcome"], "exception");
    assert_eq!(fails["exceptions"][0]["message"], "too far");
    // A name that does not exist is no failure of the callee.
    assert_eq!(rpc(&items, "nowhere")["exceptions"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callee_that_meets_its_limit_ends_the_call() {
    let (answer, items) = call(
        "await env.B.loops().catch((error) => say(error.message));",
        "limits = { cpu_ms = 500 }",
    )
    .await;
    assert_eq!(answer.text(), "Worker exceeded CPU time limit.");
    assert_eq!(rpc(&items, "loops")["outcome"], "exceededCpu");
}
