//! What a script and its host say to each other, no script says in the host's
//! place, and what a Worker offers to others is what Workers document.

use serde_json::{Value, json};
use taffrail_tests::folder::Folder;
use taffrail_tests::scenario::{invoke, refused};

/// The JSON that the first of these Workers answers, and all items.
async fn run(folder: &Folder, workers: &[&str]) -> (Value, Vec<Value>) {
    let (answer, items) = invoke(folder, workers).await;
    let text = answer.text();
    let said = serde_json::from_str(&text).unwrap_or_else(|_| panic!("no JSON: {text} {items:?}"));
    (said, items)
}

fn invocations_of(items: &[Value], worker: &str) -> usize {
    let named = items.iter().filter(|item| item["scriptName"] == worker);
    named.count()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_constant_address_is_the_hosts() {
    let folder = Folder::new();
    folder
        .script(
            "a",
            r#"
const call = '{"loaded":"secret","export":"default","props":{"isAdmin":true},"kv":"KV","get":"k","request":{"method":"GET","url":"http://x/","headers":[]}}';
export default { async fetch() {
  const said = {};
  for (const path of ["service", "call", "kv", "load", "idle", "events", "request", "drained", "live/1"]) {
    const headers = { "taffrail-call": call, arguments: call };
    try { said[path] = await (await fetch("http://taffrail.invalid/" + path, { headers })).text(); }
    catch (error) { said[path] = error.message; }
  }
  return Response.json(said);
} };"#,
            "[taffrail]\nallowed_outbound_hosts = []",
        )
        .script(
            "secret",
            "export default { fetch() { return new Response('the secret'); } };",
            "",
        );
    let (said, items) = run(&folder, &["a", "secret"]).await;
    for (path, said) in said.as_object().unwrap() {
        let said = said.as_str().unwrap();
        assert!(
            said.contains("not permitted to access the internet"),
            "{path}: {said}"
        );
    }
    assert_eq!(invocations_of(&items, "secret"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_of_any_name_are_ordinary_ones_in_both_directions() {
    let folder = Folder::new();
    folder
        .script(
            "a",
            r#"export default { async fetch(request, env) {
  const failed = '{"name":"Error","message":"forged"}';
  const response = await env.B.fetch("http://b/", { headers: { "taffrail-call": "{}", arguments: "{}", "taffrail-failed": failed } });
  return Response.json({ sent: await response.json(), url: response.url,
    received: ["taffrail-failed", "taffrail-metadata", "failed"].map((name) => response.headers.get(name)) });
} };"#,
            "services = [{ binding = \"B\", service = \"b\" }]",
        )
        .script(
            "b",
            r#"export default { fetch(request) {
  const names = ["taffrail-call", "arguments", "taffrail-failed"];
  return Response.json(names.map((name) => request.headers.get(name)),
    { headers: { "taffrail-failed": "{}", "taffrail-metadata": "1", failed: "2" } });
} };"#,
            "",
        );
    let (said, _) = run(&folder, &["a", "b"]).await;
    assert_eq!(
        said,
        json!({
            "sent": ["{}", "{}", r#"{"name":"Error","message":"forged"}"#],
            "url": "http://b/",
            "received": ["{}", "1", "2"],
        })
    );
}

/// Collects all that a script sees when it overrides what it can reach.
const SPY: &str = r#"
const seen = [];
const look = (value) => {
  try {
    if (typeof value === "string") seen.push(value);
    else if (value && typeof value === "object") for (const name of Reflect.ownKeys(value)) seen.push(String(name), String(value[name]));
  } catch {}
};
const natives = Object.getOwnPropertyDescriptors(Response.prototype);
const spy = (holder, name) => {
  const descriptor = Object.getOwnPropertyDescriptor(holder, name);
  if (!descriptor?.configurable) return;
  const wrap = (own) => function (...args) { busy || (busy = true, look(this), args.forEach(look), busy = false); return Native(own, new.target, this, args); };
  for (const key of ["value", "get", "set"]) if (typeof descriptor[key] === "function") descriptor[key] = wrap(descriptor[key]);
  Object.defineProperty(holder, name, descriptor);
};
let busy = false;
const { apply, construct } = Reflect;
const Native = (own, target, self, args) => target ? construct(own, args, target) : apply(own, self, args);
const install = () => {
  for (const holder of [Headers.prototype, Response.prototype, Request.prototype, ReadableStream.prototype, Map.prototype, WeakMap.prototype, Set.prototype,
      JSON, TextDecoder.prototype, TextEncoder.prototype])
    for (const name of Reflect.ownKeys(holder)) if (name !== "constructor" && name !== "length") try { spy(holder, name); } catch {}
  for (const name of ["Request", "Response", "Headers", "URL", "fetch"]) try { spy(globalThis, name); } catch {}
  for (const name of ["token", "headers", "request", "method", "body", "signal", "redirect", "url"])
    Object.defineProperty(Object.prototype, name, { configurable: true, get() { look(this); return undefined; }, set(value) { look(value); Object.defineProperty(this, name, { value, writable: true, configurable: true, enumerable: true }); } });
  Object.defineProperty(Object.prototype, Symbol.iterator, { configurable: true, get() { look(this); return undefined; } });
  const then = Promise.prototype.then;
  Promise.prototype.then = function (...args) { return apply(then, this, args.map((f) => typeof f === "function" ? (value) => { look(value); return f(value); } : f)); };
};
"#;

#[tokio::test(flavor = "multi_thread")]
async fn no_script_learns_the_address_of_its_host() {
    let body = r#"
export default { async fetch(request, env, ctx) {
  install();
  let answers = [];
  const attempt = async (work) => { try { const value = await work(); look(value); answers.push(value); } catch (error) { seen.push(error.message, error.stack, String(error.fileName)); } };
  await attempt(() => env.KV.put("k", "v", { metadata: { m: "é" } }));
  await attempt(() => env.KV.getWithMetadata("k"));
  await attempt(() => env.KV.get("k", "stream"));
  await attempt(() => env.KV.get(""));
  await attempt(() => fetch("http://refused.test/"));
  await attempt(async () => {
    const response = await ctx.exports.Own.fetch("http://own/");
    for (const name of Reflect.ownKeys(natives)) if (natives[name].get) try { look(apply(natives[name].get, response, [])); } catch (error) { seen.push(error.message); }
    seen.push(JSON.stringify(response), response.url, ...[...response.headers].flat());
    return response.text();
  });
  await attempt(() => ctx.exports.Own.hello());
  return new Response(JSON.stringify({ answers: answers.length, leaks: seen.filter((text) => /[0-9a-f]{32}|\.invalid/.test(text)), seen: seen.length }));
} };
import { WorkerEntrypoint } from "cloudflare:workers";
export class Own extends WorkerEntrypoint { fetch() { return new Response("own"); } hello() { return "hello"; } }
"#;
    let folder = Folder::new();
    folder.script(
        "a",
        &format!("{SPY}{body}"),
        "kv_namespaces = [{ binding = \"KV\", id = \"k\" }]\n[taffrail]\nallowed_outbound_hosts = []",
    );
    let (said, _) = run(&folder, &["a"]).await;
    assert_eq!(said["leaks"], json!([]), "{said}");
    assert!(said["seen"].as_u64() > Some(10), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_script_gets_the_functions_of_the_engine() {
    let folder = Folder::new();
    folder.script(
        "a",
        r#"export default { async fetch() {
  const said = [];
  for (const name of ["taffrail:javascript/host@0.1.0", "taffrail:workers/console@0.2.0", "taffrail:workers/exceptions@0.2.0", "taffrail:workers/diagnostics-channel@0.2.0"]) {
    const load = new Function("name", "return import(name)");
    try { await load(name); } catch (error) { said.push(error.message); }
    try { await import(name); } catch (error) { said.push(error.message); }
  }
  return Response.json(said);
} };"#,
        "",
    );
    let (said, _) = run(&folder, &["a"]).await;
    let names = [
        "javascript/host@0.1.0",
        "workers/console@0.2.0",
        "workers/exceptions@0.2.0",
        "workers/diagnostics-channel@0.2.0",
    ];
    let nothing = |name| {
        let missing = format!("No such module \"taffrail:{name}\".");
        json!(["import() cannot be used.", missing])
    };
    let expected: Vec<Value> = names
        .iter()
        .flat_map(|name| nothing(name).as_array().unwrap().clone())
        .collect();
    assert_eq!(said, json!(expected));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_that_imports_what_the_engine_imports_is_refused() {
    let component = r#"(component
  (import "taffrail:javascript/host@0.1.0" (instance (export "end" (func))))
  (core module $m (func (export "f")))
  (core instance $i (instantiate $m))
  (func $f (canon lift (core func $i "f")))
  (instance $e (export "handle" (func $f)))
  (export "wasi:http/incoming-handler@0.2.0" (instance $e)))"#;
    let folder = Folder::new();
    folder
        .write("w/wrangler.toml", "name = \"w\"\nmain = \"w.wasm\"\n")
        .write("w/w.wasm", wat::parse_str(component).unwrap());
    assert_eq!(
        refused(&folder, &["w"]).await,
        "w/wrangler.toml: `main` is `w/w.wasm`, which Worker `w` cannot run: it imports `taffrail:javascript/host@0.1.0`, which is for the JavaScript engine only. Build it without this import: a Worker imports `taffrail:workers` instead"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_that_is_an_engine_by_name_only_is_refused() {
    let component = r#"(component
  (core module $m (func (export "f")))
  (core instance $i (instantiate $m))
  (func $f (canon lift (core func $i "f")))
  (instance $e (export "handle" (func $f)))
  (export "taffrail:javascript/script@0.1.0" (instance $e)))"#;
    let folder = Folder::new();
    folder
        .write("w/wrangler.toml", "name = \"w\"\nmain = \"w.wasm\"\n")
        .write("w/w.wasm", wat::parse_str(component).unwrap());
    let error = refused(&folder, &["w"]).await;
    let refusal = "w/wrangler.toml: `main` is `w/w.wasm`, which Worker `w` cannot run: it is not an engine of this version of Taffrail: ";
    assert!(error.starts_with(refusal), "{error}");
}

/// What a caller says of each expression over its binding `T`, the Worker `t`.
async fn call(expressions: &[&str], callee: &str) -> (Vec<String>, Vec<Value>) {
    let attempts: String = expressions
        .iter()
        .map(|expression| format!("await attempt(() => {expression});\n"))
        .collect();
    let caller = format!(
        "export default {{ async fetch(request, env, ctx) {{
  const said = [];
  const attempt = async (work) => {{ try {{ said.push(String(await work())); }} catch (error) {{ said.push(error.name + ': ' + error.message); }} }};
  {attempts}
  return Response.json(said);
}} }};"
    );
    let folder = Folder::new();
    folder
        .script(
            "a",
            &caller,
            "services = [{ binding = \"T\", service = \"t\" }, { binding = \"C\", service = \"t\", entrypoint = \"constructor\" }, { binding = \"S\", service = \"t\", entrypoint = \"toString\" }, { binding = \"P\", service = \"t\", entrypoint = \"__proto__\" }]",
        )
        .script("t", callee, "");
    let (said, items) = run(&folder, &["a", "t"]).await;
    let said = said.as_array().unwrap().iter();
    let said = said.map(|said| said.as_str().unwrap().to_owned());
    (said.collect(), items)
}

fn reserved(name: &str) -> String {
    format!("TypeError: '{name}' is a reserved method and cannot be called over RPC.")
}

fn missing(name: &str) -> String {
    format!("TypeError: The RPC receiver does not implement the method \"{name}\".")
}

#[tokio::test(flavor = "multi_thread")]
async fn handlers_of_events_are_no_methods() {
    let names = [
        "tail",
        "trace",
        "tailStream",
        "alarm",
        "email",
        "test",
        "dup",
        "webSocketMessage",
        "webSocketClose",
        "webSocketError",
    ];
    let calls: Vec<String> = names
        .iter()
        .map(|name| format!("env.T.{name}([{{ forged: true }}])"))
        .collect();
    let calls: Vec<&str> = calls.iter().map(String::as_str).collect();
    let expected: Vec<String> = names.iter().map(|name| reserved(name)).collect();
    let methods: String = names
        .iter()
        .filter(|name| **name != "constructor")
        .map(|name| format!("{name}() {{ console.log('called'); return 'called'; }}\n"))
        .collect();
    let class = format!(
        "import {{ WorkerEntrypoint }} from 'cloudflare:workers'; export default class extends WorkerEntrypoint {{ {methods} }}"
    );
    let plain = format!("export default {{ {} }};", methods.replace("}\n", "},\n"));
    for callee in [class, plain] {
        let (said, items) = call(&calls, &callee).await;
        assert_eq!(said, expected);
        let logged = items
            .iter()
            .any(|item| item.to_string().contains("\"called\""));
        assert!(!logged, "a handler was called");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_of_a_plain_export_are_no_methods() {
    let (said, _) = call(
        &["env.T.internal('x')", "env.T.nested.deep()", "env.T.value"],
        "export default { fetch() {}, internal() { return 'called'; }, nested: { deep() { return 'called'; } }, value: 'read' };",
    )
    .await;
    assert_eq!(
        said,
        [missing("internal"), missing("nested"), missing("value"),]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_class_offers_its_members_and_nothing_else() {
    let (said, _) = call(
        &[
            "env.T.method(1)",
            "env.T.inherited()",
            "env.T.getter",
            "env.T.own()",
            "env.T.secret",
            "env.T.env",
            "env.T.ctx.props",
            "env.T['#hidden']()",
            "env.C.waitUntil(1)",
            "env.S.anything()",
            "env.P.anything()",
        ],
        "import { WorkerEntrypoint } from 'cloudflare:workers';
class Base extends WorkerEntrypoint { inherited() { return 'inherited'; } }
export default class extends Base {
  secret = 'own'; own = () => 'own';
  #hidden() { return 'hidden'; }
  get getter() { return 'got'; }
  method(x) { return x + 1; }
  toString() { return 'own text'; }
}",
    )
    .await;
    let entrypoint = |name| format!("Error: Worker has no such entrypoint: {name}");
    assert_eq!(
        said,
        [
            "2".to_owned(),
            "inherited".to_owned(),
            "got".to_owned(),
            missing("own"),
            missing("secret"),
            missing("env"),
            missing("ctx"),
            missing("#hidden"),
            entrypoint("constructor"),
            entrypoint("toString"),
            entrypoint("__proto__"),
        ]
    );
}
