//! Whatever a script calls, and however, the call returns or throws.

use serde_json::json;
use std::env;
use taffrail_tests::process::{Folder, Server};
use taffrail_tests::scenario::{Scenario, invoke};
use taffrail_trace::Outcome;

const WALK: &str = include_str!("surface.js");

const BINDINGS: &str = r#"
kv_namespaces = [{ binding = "KV", id = "kv" }]
services = [{ binding = "SELF", service = "w", entrypoint = "Other" }]
analytics_engine_datasets = [{ binding = "DATA", dataset = "data" }]
analytics = { binding = "SQL" }
worker_loaders = [{ binding = "LOADER" }]
durable_objects.bindings = [{ name = "OBJECT", class_name = "Plain" }]
[taffrail]
allowed_outbound_hosts = []
"#;

/// A number from the environment.
fn number(name: &str, default: u64) -> u64 {
    let text = env::var(name).ok();
    text.map_or(default, |text| text.parse().unwrap())
}

/// How a walk may end early: a call goes on until it is cut off, needs too much
/// memory, or meets what an earlier walk has left in the isolate, and throws.
const ENDS_EARLY: [&str; 3] = [
    "\"outcome\":\"exceededCpu\"",
    "\"outcome\":\"exceededMemory\"",
    "\"stack\":\"    at ",
];

/// Walks with a seed. Fails with the item, which ends with the last call that the script
/// was about to make: as text, since what it holds is no JSON for everybody.
fn walk(server: &Server, seed: u64) -> Result<(), String> {
    let path = format!("/?seed={seed}");
    if server.get(&path).body == "walked" {
        return Ok(());
    }
    let item = server.until_stdout(&format!("{path}\""));
    let (item, _) = item.split_once("],\"eventTimestamp\"").unwrap();
    if ENDS_EARLY.iter().any(|end| item.contains(end)) {
        return Ok(());
    }
    let end = item.char_indices().rev().nth(600);
    Err(item[end.map_or(0, |(at, _)| at)..].to_owned())
}

/// `TAFFRAIL_SURFACE_EVENTS` walks longer, `TAFFRAIL_SURFACE_SEED` elsewhere.
#[test]
fn no_call_takes_the_isolate_down() {
    let folder = Folder::new();
    folder.script("w", WALK, BINDINGS);
    let server = folder.start(&["serve", "w", "--limit", "cpu_ms=10000"]);
    let first = number("TAFFRAIL_SURFACE_SEED", 1);
    let events = number("TAFFRAIL_SURFACE_EVENTS", 40);
    println!("seeds {first} to {}", first + events - 1);
    let mut failed = Vec::new();
    for seed in first..first + events {
        if let Err(end) = walk(&server, seed) {
            failed.push(format!("seed {seed}: {end}"));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_took_the_engine_down_throws_or_returns() {
    let attempts = [
        "Object.keys(URL.prototype).map((name) => URL.prototype[name])",
        "Request.prototype.headers",
        "new Response(Response.prototype).body",
        "fetch('/x')",
        "new Request('/x')",
        "Response.redirect('/x')",
        "AbortSignal.any('signals')",
        "AbortSignal.any([1])",
        "URL.createObjectURL({})",
        "new ReadableStream({ type: 'bytes' }).getReader({ mode: 'byob' }).read(new ArrayBuffer(8))",
        "new WritableStream(new EventTarget(), new WeakMap())",
        "eval(\"import('cloudflare:workers')\")",
        "new Function(\"return import('left-out')\")()",
        "new Function(\"return import('/etc/passwd')\")()",
    ];
    let attempts: String = attempts
        .iter()
        .map(|attempt| format!("  try {{ await ({attempt}); said.push('returned'); }} catch (error) {{ said.push(`threw ${{error}}`); }}\n"))
        .collect();
    let folder = Folder::new();
    folder.script(
        "w",
        &format!("export default {{ async fetch() {{\n  const said = [];\n{attempts}  return Response.json(said);\n}} }};"),
        "[taffrail]\nallowed_outbound_hosts = []",
    );
    let (answer, items) = invoke(&folder, &["w"]).await;
    assert_eq!(items[0]["outcome"], "ok", "{items:?}");
    let said: Vec<String> = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(said.len(), 14);
    let import = json!("threw Error: import() cannot be used.");
    assert_eq!(json!(said[11..]), json!([import, import, import]));
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_that_are_too_large_throw() {
    let folder = Folder::new();
    folder.script(
        "w",
        "
import { WorkerEntrypoint } from 'cloudflare:workers';
export class Other extends WorkerEntrypoint { fetch() { return new Response('other'); } }
const long = () => new Headers({ a: 'x'.repeat(3 << 20) });
export default { async fetch(request, env) {
  const said = [];
  for (const target of [globalThis, env.SELF]) {
    try { said.push(await (await target.fetch('http://127.0.0.1:9/', { headers: long() })).text()); }
    catch (error) { said.push(`${error}`); }
  }
  return Response.json(said, { headers: new URL(request.url).pathname === '/long' ? long() : {} });
} };
",
        "services = [{ binding = \"SELF\", service = \"w\", entrypoint = \"Other\" }]",
    );
    let scenario = Scenario::of(&folder, &["w"]).await;
    let refused = "TypeError: The headers of a message have at most 16,384 fields and 2 MiB.";
    let answer = scenario.get("w", "/").await;
    let said: Vec<String> = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(said, [refused; 2]);
    let answer = scenario.get("w", "/long").await;
    assert_eq!(answer.failed, Some(Outcome::Exception));
    let items = scenario.items();
    let outcomes: Vec<_> = items.iter().map(|item| item.outcome).collect();
    assert_eq!(outcomes, [Outcome::Ok, Outcome::Exception]);
    let exception = &items[1].exceptions[0];
    assert_eq!(
        format!("{}: {}", exception.name, exception.message),
        refused
    );
}
