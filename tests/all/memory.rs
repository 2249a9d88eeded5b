//! What becomes of a Worker that needs more memory than it may have.

use std::sync::Arc;
use taffrail_runtime::Limits;
use taffrail_tests::folder::Folder;
use taffrail_tests::scenario::Scenario;
use taffrail_trace::{Outcome, TraceItem};

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

async fn hoarder(memory: u64) -> (Folder, Scenario) {
    let folder = Folder::new();
    let limit = format!("[taffrail]\nmemory_mb = {memory}");
    folder.script("w", HOARDER, &limit);
    let scenario = Scenario::of(&folder, &["w"]).await;
    (folder, scenario)
}

/// The last thing that was recorded.
fn last(scenario: &Scenario) -> Arc<TraceItem> {
    scenario.items().pop().unwrap()
}

async fn check_exceeded(scenario: &Scenario, path: &str, limit: u64) -> Arc<TraceItem> {
    let answer = scenario.get("w", path).await;
    assert_eq!(answer.failed, Some(Outcome::ExceededMemory), "{path}");
    let item = last(scenario);
    assert_eq!(item.outcome, Outcome::ExceededMemory, "{path}: {item:?}");
    let exceeded = item.exceeded_limit.as_ref().unwrap();
    assert_eq!(
        (&*exceeded.key, exceeded.value),
        ("taffrail.memory_mb", limit),
        "{path}"
    );
    assert_eq!(item.exceptions.len(), 1, "{item:?}");
    assert!(item.logs.is_empty(), "{path}: {item:?}");
    item
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_fills_the_memory_of_a_script_the_limit_is_named_and_the_next_event_is_well() {
    let (_folder, scenario) = hoarder(128).await;
    let kinds = ["objects", "strings", "bytes", "closures", "json", "resize"];
    for kind in kinds.iter().chain(&["large", "body", "blobs", "later"]) {
        check_exceeded(&scenario, &format!("/{kind}"), 128).await;
        let next = scenario.get("w", "/event").await;
        assert_eq!(next.text(), "1", "after {kind}");
        assert_eq!(last(&scenario).outcome, Outcome::Ok);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_that_copes_with_a_refusal_or_leaves_garbage_is_well() {
    let (_folder, scenario) = hoarder(128).await;
    for path in ["/caught", "/refused", "/garbage", "/buffers"] {
        assert_eq!(scenario.get("w", path).await.text(), "true", "{path}");
        assert_eq!(last(&scenario).outcome, Outcome::Ok, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_heap_of_a_script_is_as_large_as_its_limit() {
    for limit in [64, 256] {
        let (_folder, scenario) = hoarder(limit).await;
        let item = check_exceeded(&scenario, "/objects", limit).await;
        let peak = item.peak_memory;
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
