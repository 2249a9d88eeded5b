//! What becomes of a Worker that needs more memory than it may have.

use serde_json::{Value, json};
use taffrail_runtime::Limits;
use taffrail_tests::process::{Folder, Server};
use taffrail_tests::scenario::Scenario;
use taffrail_trace::Outcome;

const MIB: u64 = 1 << 20;

/// Fills the memory with what the path says.
const HOARDER: &str = r#"
let events = 0;
const fill = {
  objects(keep) { for (;;) keep.push({ a: [1, 2, 3], b: {} }); },
  strings(keep) { for (;;) keep.push("x".repeat(1 << 20) + Math.random()); },
  bytes(keep) { for (;;) keep.push(new Uint8Array(1 << 20).fill(1)); },
  closures(keep) { for (let i = 0; ; i += 1) keep.push(() => i); },
  json(keep) { const text = "[" + '{"a":1},'.repeat(1 << 20) + "1]"; for (;;) keep.push(JSON.parse(text)); },
  resize() { const buffer = new ArrayBuffer(0, { maxByteLength: 1 << 30 }); for (let i = 0; ; i += 1 << 20) buffer.resize(i); },
  large() { return new Uint8Array(500e6); },
  async body() { return new Response(new Uint8Array(60e6)).arrayBuffer(); },
  async blobs(keep) { for (;;) keep.push(await new Blob([new Uint8Array(1 << 20)]).arrayBuffer()); },
  async later(keep) { await 1; for (;;) keep.push({ a: [1, 2, 3] }); },
};
const cope = {
  caught(keep) { try { fill.bytes(keep); } catch { return `${keep.length > 100}`; } },
  refused() { try { fill.large(); } catch { return "true"; } },
  garbage(keep) { for (let i = 0; i < 5e5; i += 1) keep[i % 30_000] = { a: [i], b: {} }; return "true"; },
  buffers(keep) { for (let i = 0; i < 500; i += 1) keep[i % 40] = new Uint8Array(1 << 20); return "true"; },
};
export default { async fetch(request) {
  events += 1;
  const name = new URL(request.url).pathname.slice(1);
  if (name === "event") return new Response(`${events}`);
  if (name in cope) return new Response(cope[name]([]));
  return new Response(await fill[name]([]));
} };
"#;

fn hoarder(memory: u64) -> (Folder, Server) {
    let folder = Folder::new();
    folder.script("w", HOARDER, "");
    let limit = format!("memory_mb={memory}");
    let server = folder.start(&["serve", "w", "--limit", &limit]);
    (folder, server)
}

#[track_caller]
fn check_exceeded(server: &Server, path: &str, limit: u64) -> Value {
    assert_eq!(server.get(path).status, 503, "{path}");
    let item = server.item();
    assert_eq!(item["outcome"], "exceededMemory", "{path}: {item}");
    let exceeded = json!({ "key": "taffrail.memory_mb", "value": limit });
    assert_eq!(item["exceededLimit"], exceeded, "{path}");
    assert_eq!(item["exceptions"].as_array().unwrap().len(), 1, "{item}");
    assert_eq!(item["logs"], json!([]), "{path}");
    item
}

#[test]
fn whatever_fills_the_memory_of_a_script_the_limit_is_named_and_the_next_event_is_well() {
    let (_folder, server) = hoarder(128);
    let kinds = ["objects", "strings", "bytes", "closures", "json", "resize"];
    for kind in kinds.iter().chain(&["large", "body", "blobs", "later"]) {
        check_exceeded(&server, &format!("/{kind}"), 128);
        assert_eq!(server.get("/event").body, "1", "after {kind}");
        assert_eq!(server.item()["outcome"], "ok");
    }
}

#[test]
fn a_script_that_copes_with_a_refusal_or_leaves_garbage_is_well() {
    let (_folder, server) = hoarder(128);
    for path in ["/caught", "/refused", "/garbage", "/buffers"] {
        assert_eq!(server.get(path).body, "true", "{path}");
        assert_eq!(server.item()["outcome"], "ok", "{path}");
    }
}

#[test]
fn the_heap_of_a_script_is_as_large_as_its_limit() {
    for limit in [64, 256] {
        let (_folder, server) = hoarder(limit);
        let item = check_exceeded(&server, "/objects", limit);
        let peak = item["peakMemory"].as_u64().unwrap();
        let room = (limit - 4) * MIB..=limit * MIB;
        assert!(room.contains(&peak), "{peak} of {limit} MiB");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_that_fails_in_its_own_way_after_a_refusal_had_too_little_memory() {
    let scenario = Scenario::new().worker("probe");
    for path in ["exit", "500", "python"] {
        scenario
            .get("probe", &format!("/fault/refused?{path}"))
            .await;
    }
    scenario.get("probe", "/fault/refused?200").await;
    let items = scenario.items();
    let outcomes: Vec<_> = items.iter().map(|item| item.outcome).collect();
    let exceeded = Outcome::ExceededMemory;
    assert_eq!(outcomes, [exceeded, exceeded, exceeded, Outcome::Ok]);
    for item in &items[..3] {
        assert_eq!(item.exceptions[0].message, "Worker exceeded memory limit.");
        let limit = item.exceeded_limit.as_ref().unwrap();
        let bytes = Limits::default().memory as u64;
        assert_eq!(limit.value, bytes / MIB);
    }
}
