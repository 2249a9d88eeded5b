//! Durable Objects.

use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;
use taffrail_tests::folder::Folder;
use taffrail_tests::process::Server;
use taffrail_tests::scenario::{Scenario, full, request};
use tokio::task::JoinSet;

const BINDING: &str = "durable_objects.bindings = [{ name = \"NS\", class_name = \"Room\" }]";

const ROOM: &str = "\
import { DurableObject } from 'cloudflare:workers';
export class Room extends DurableObject {
  #visits = 0;
  constructor(ctx, env) {
    super(ctx, env);
    ctx.blockConcurrencyWhile(async () => { await scheduler.wait(5); this.ready = true; });
  }
  async visit(name) {
    console.log(name, this.ready);
    const n = ++this.#visits;
    await scheduler.wait(10);
    console.log(name, 'left');
    return n;
  }
  async keep(value) { await this.ctx.storage.put('kept', value); }
  async kept() { return this.ctx.storage.get('kept'); }
  async loop() { for (;;); }
  async late(ms) { await this.ctx.storage.setAlarm(Date.now() + Number(ms)); }
  async alarm({ isRetry }) { await this.ctx.storage.put('kept', 'alarm ' + isRetry); }
}
export default { async fetch(request, env) {
  const [, room, method, ...args] = new URL(request.url).pathname.split('/');
  try { return Response.json((await env.NS.getByName(room)[method](...args)) ?? null); }
  catch (error) { return new Response(error.message); }
} };
";

fn room(more: &str) -> Folder {
    let folder = Folder::new();
    folder.script("w", ROOM, &format!("{BINDING}\n{more}"));
    folder
}

/// What it answers, whatever else still goes on.
async fn answer(scenario: &Scenario, path: &str) -> String {
    scenario.stream("w", request(path, full(""))).await.text()
}

fn serve(folder: &Folder) -> Server {
    Server::spawn(folder.taffrail(&["serve", "w", "--port", "0"]))
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_events_share_the_object_and_nothing_of_their_items() {
    let folder = room("");
    let scenario = Arc::new(Scenario::of(&folder, &["w"]).await);
    let mut visits = JoinSet::new();
    for n in 0..10 {
        let scenario = Arc::clone(&scenario);
        visits.spawn(async move { answer(&scenario, &format!("/hall/visit/v{n}")).await });
    }
    let visits = visits.join_all().await.into_iter();
    let mut counted: Vec<u32> = visits.map(|visit| visit.parse().unwrap()).collect();
    counted.sort_unstable();
    assert_eq!(counted, Vec::from_iter(1..=10));
    assert_eq!(answer(&scenario, "/other/visit/x").await, "1");

    scenario.idle().await;
    let items = scenario.json();
    let rooms = items
        .iter()
        .filter(|item| item["executionModel"] == "durableObject");
    let mut names = Vec::new();
    for item in rooms {
        let logs = &item["logs"];
        let name = logs[0]["message"][0].as_str().unwrap();
        assert_eq!(logs[0]["message"][1], Value::Bool(true), "{item}");
        assert_eq!(logs[1]["message"][0], name, "{item}");
        assert_eq!(logs.as_array().unwrap().len(), 2, "{item}");
        assert_eq!(item["entrypoint"], "Room");
        assert_eq!(item["durableObjectId"].as_str().unwrap().len(), 64);
        names.push(name.to_owned());
    }
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 11);
}

#[test]
fn what_it_stores_is_there_after_a_kill() {
    let folder = room("");
    let server = serve(&folder);
    assert_eq!(server.get("/hall/keep/this").body, "null");
    server.signal("KILL");
    _ = server.finish();
    let server = serve(&folder);
    assert_eq!(server.get("/hall/kept").body, "\"this\"");
    assert_eq!(server.get("/other/kept").body, "null");
    _ = server.terminate();
}

#[test]
fn an_alarm_wakes_it() {
    let folder = room("");
    let server = serve(&folder);
    assert_eq!(server.get("/hall/late/1").body, "null");
    let alarm = loop {
        let item = server.item();
        if item["event"].get("scheduledTime").is_some() {
            break item;
        }
    };
    assert_eq!(alarm["outcome"], "ok", "{alarm}");
    assert_eq!(server.get("/hall/kept").body, "\"alarm false\"");
    _ = server.terminate();
}

#[test]
fn alarms_of_many_objects_ring_and_one_that_is_set_again_rings_later() {
    let folder = room("");
    let server = serve(&folder);
    // An hour ahead, and then now: it does not wait for the hour.
    assert_eq!(server.get("/again/late/3600000").body, "null");
    for n in 0..40 {
        assert_eq!(server.get(&format!("/room{n}/late/0")).body, "null");
    }
    assert_eq!(server.get("/again/late/0").body, "null");
    let mut rung = BTreeSet::new();
    while rung.len() < 41 {
        let item = server.item();
        if item["event"].get("scheduledTime").is_some() {
            assert_eq!(item["outcome"], "ok", "{item}");
            assert!(rung.insert(item["durableObjectId"].to_string()), "{item}");
        }
    }
    _ = server.terminate();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_event_that_loops_ends_the_object_which_is_made_again() {
    let folder = room("limits = { cpu_ms = 500 }");
    let scenario = Scenario::of(&folder, &["w"]).await;
    for (path, expected) in [
        ("/hall/visit/a", "1"),
        ("/hall/visit/b", "2"),
        ("/hall/loop", "Worker exceeded CPU time limit."),
        ("/hall/visit/c", "1"),
    ] {
        assert_eq!(answer(&scenario, path).await, expected);
    }
    scenario.idle().await;
    let items = scenario.json();
    let mut loops = items.iter();
    let looped = loops.find(|item| item["event"]["rpcMethod"] == "loop");
    assert_eq!(looped.unwrap()["outcome"], "exceededCpu");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_whose_caller_left_is_cancelled_and_the_object_lives_on() {
    let folder = Folder::new();
    let source = "\
import { DurableObject } from 'cloudflare:workers';
export class Room extends DurableObject {
  #n = 0;
  #arrive;
  #arrived = new Promise((resolve) => { this.#arrive = resolve; });
  async fetch(request) {
    const n = ++this.#n;
    if (request.url.endsWith('/slow')) {
      console.log('waits');
      this.#arrive();
      await scheduler.wait(60000);
    }
    return new Response(String(n));
  }
  async arrived() { await this.#arrived; }
}
export default { async fetch(request, env) {
  const room = env.NS.getByName('one');
  if (request.url.endsWith('/slow')) {
    room.fetch(request).catch(() => {});
    await room.arrived();
    return new Response('left');
  }
  return room.fetch(request);
} };
";
    folder.script("w", source, BINDING);
    let scenario = Scenario::of(&folder, &["w"]).await;
    for (path, expected) in [("/", "1"), ("/slow", "left"), ("/", "3")] {
        assert_eq!(answer(&scenario, path).await, expected);
    }
    scenario.idle().await;
    let items = scenario.json();
    let mut items = items.iter();
    let slow = items.find(|item| item["logs"][0]["message"][0] == "waits");
    assert_eq!(slow.unwrap()["outcome"], "canceled");
}

/// The pattern that Cloudflare documents for real-time logs.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_session_returns_the_logs_of_a_dynamic_worker() {
    let source = "\
import { DurableObject, RpcTarget, WorkerEntrypoint, exports } from 'cloudflare:workers';
class LogWaiter extends RpcTarget {
  #logs = [];
  #resolve;
  add(logs) { this.#logs.push(...logs); this.#resolve?.(this.#logs); }
  getLogs(timeout) {
    if (this.#logs.length > 0) return this.#logs;
    return new Promise((resolve) => { this.#resolve = resolve; setTimeout(() => resolve(this.#logs), timeout); });
  }
}
export class LogSession extends DurableObject {
  async waitForLogs() { return (this.waiter = new LogWaiter()); }
  async addLogs(logs) { this.waiter?.add(logs); }
}
export class DynamicWorkerTail extends WorkerEntrypoint {
  async tail(events) {
    const logs = events.flatMap((event) => event.logs.map((log) => log.message.join(' ')));
    await exports.LogSession.getByName(this.ctx.props.workerId).addLogs(logs);
  }
}
export default { async fetch(request, env, ctx) {
  const workerId = 'one';
  const worker = env.LOADER.get(workerId, () => ({
    mainModule: 'm.js',
    modules: { 'm.js': `export default { fetch() { console.log('from', 'inside'); return new Response('hi'); } }` },
    tails: [ctx.exports.DynamicWorkerTail({ props: { workerId } })],
  }));
  const logSession = exports.LogSession.getByName(workerId);
  const logWaiter = await logSession.waitForLogs();
  const response = await worker.getEntrypoint().fetch(request);
  const body = await response.text();
  return Response.json({ body, logs: await logWaiter.getLogs(10000) });
} };
";
    let folder = Folder::new();
    folder.script("w", source, "worker_loaders = [{ binding = \"LOADER\" }]");
    let scenario = Scenario::of(&folder, &["w"]).await;
    // The timer of the waiter goes on behind the response.
    let said = answer(&scenario, "/").await;
    assert_eq!(said, r#"{"body":"hi","logs":["from inside"]}"#);
}
