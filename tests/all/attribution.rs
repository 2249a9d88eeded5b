//! Whose logs, requests, CPU time and `AsyncLocalStorage` it is: what runs because
//! the engine or another event calls it back.

use serde_json::Value;
use std::collections::BTreeMap;
use taffrail_tests::folder::Folder;
use taffrail_tests::scenario::{Scenario, full, invoke, request};

const ROOM: &str = "durable_objects.bindings = [{ name = \"ROOM\", class_name = \"Room\" }]\n";

fn worker(source: &str, more: &str) -> Folder {
    let folder = Folder::new();
    folder.script("w", source, more);
    folder
}

/// What it answers, whatever else still goes on.
async fn answer(scenario: &Scenario, path: &str) -> String {
    let answer = scenario.stream("w", request(path, full(""))).await;
    assert_eq!(answer.status, Some(200), "{path}");
    answer.text()
}

fn lines(item: &Value) -> Vec<String> {
    let logs = item["logs"].as_array().unwrap();
    logs.iter()
        .map(|log| log["message"][0].as_str().unwrap().to_owned())
        .collect()
}

/// The items of the object's events, and not of those who called it.
fn of_objects(items: &[Value]) -> Vec<&Value> {
    items
        .iter()
        .filter(|item| item["executionModel"] == "durableObject")
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_of_overlapping_requests_of_one_object_belong_to_their_requests() {
    let source = "\
import { DurableObject } from 'cloudflare:workers';
const encoder = new TextEncoder();
const compute = () => { for (let n = 0; n < 1e6; n++); };
export class Room extends DurableObject {
  async pulled(id) {
    console.log(`${id} start`);
    const { env } = this;
    let n = 0;
    return new Response(new ReadableStream({
      async pull(controller) {
        await scheduler.wait(10);
        await env.SELF.fetch('http://w/ping');
        if (id === 'b') compute();
        console.log(`${id} pull ${n}`);
        controller.enqueue(encoder.encode(id));
        if (++n === 4) { console.log(`${id} close`); controller.close(); }
      },
    }));
  }
  async written(id) {
    const { readable, writable } = new TransformStream();
    const writer = writable.getWriter();
    this.ctx.waitUntil((async () => {
      for (let n = 0; n < 4; n++) {
        await scheduler.wait(10);
        console.log(`${id} write ${n}`);
        await writer.write(encoder.encode(id));
      }
      await writer.close();
    })());
    return new Response(readable);
  }
  async transformed(id) {
    const { readable, writable } = new TransformStream({
      async transform(chunk, controller) {
        await scheduler.wait(10);
        console.log(`${id} transform`);
        controller.enqueue(chunk);
      },
      flush() { console.log(`${id} flush`); },
    });
    new Blob([id.repeat(4)]).stream().pipeTo(writable);
    return new Response(readable);
  }
}
export default { async fetch(request, env) {
  const [, method, id] = new URL(request.url).pathname.split('/');
  return method === 'ping' ? new Response() : env.ROOM.getByName('r')[method](id);
} };
";
    // Four requests are what one stream makes.
    let more = format!(
        "{ROOM}services = [{{ binding = \"SELF\", service = \"w\" }}]\nlimits = {{ subrequests = 4 }}"
    );
    let folder = worker(source, &more);
    let scenario = Scenario::of(&folder, &["w"]).await;
    for _ in 0..3 {
        for method in ["pulled", "written", "transformed"] {
            let [a, b] = ["a", "b"].map(|id| format!("/{method}/{id}"));
            let bodies = tokio::join!(answer(&scenario, &a), answer(&scenario, &b));
            assert_eq!(bodies, ("aaaa".to_owned(), "bbbb".to_owned()), "{method}");
        }
    }
    scenario.idle().await;
    let items = scenario.json();
    let events = of_objects(&items);
    assert_eq!(events.len(), 18);
    let mut cpu = BTreeMap::<_, u64>::new();
    for item in events {
        assert_eq!(item["outcome"], "ok", "{item}");
        let lines = lines(item);
        let id = &lines[0][..1];
        let told: Vec<_> = lines.iter().map(|line| &line[2..]).collect();
        match told[0] {
            "start" => {
                let all = ["start", "pull 0", "pull 1", "pull 2", "pull 3", "close"];
                assert_eq!(told, all, "{item}");
                *cpu.entry(id.to_owned()).or_default() += item["cpuTime"].as_u64().unwrap();
            }
            "write 0" => assert_eq!(told, ["write 0", "write 1", "write 2", "write 3"], "{item}"),
            _ => assert_eq!(told, ["transform", "flush"], "{item}"),
        }
        assert!(lines.iter().all(|line| line.starts_with(id)), "{item}");
    }
    assert!(cpu["b"] > 2 * cpu["a"], "{cpu:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_engine_calls_back_has_the_storage_of_who_registered_it() {
    let source = "\
import { AsyncLocalStorage } from 'node:async_hooks';
const storage = new AsyncLocalStorage();
const wait = (ms) => scheduler.wait(ms);
export default { async fetch() {
  const told = [];
  const tell = (what) => told.push(`${what}: ${storage.getStore()}`);
  const made = storage.run('maker', () => {
    const signal = AbortSignal.timeout(1);
    const aborted = new Promise((resolve) => signal.addEventListener('abort', () => {
      tell(signal.reason.name);
      resolve();
    }));
    queueMicrotask(() => tell('microtask'));
    Promise.resolve().then(() => ({
      get then() { tell('getter of then'); return (resolve) => { tell('then'); resolve(); }; },
    }));
    return {
      aborted,
      readable: new ReadableStream({
        start() { tell('start'); },
        async pull(controller) { await wait(1); tell('pull'); controller.enqueue(1); },
        cancel() { tell('cancel'); },
      }, { highWaterMark: 0 }),
      bytes: new ReadableStream({
        type: 'bytes',
        pull(controller) { tell('pull bytes'); controller.enqueue(new Uint8Array(2)); },
        cancel() { tell('cancel bytes'); },
      }),
      iterated: new ReadableStream({
        pull(controller) { tell('pull iterated'); controller.enqueue(1); },
        cancel() { tell('cancel iterated'); },
      }, { highWaterMark: 0 }),
      split: new ReadableStream({
        pull(controller) { tell('pull split'); controller.enqueue('x'); controller.close(); },
      }, { highWaterMark: 0 }),
      piped: new ReadableStream({
        pull(controller) { tell('pull piped'); controller.enqueue('x'); controller.close(); },
      }, { highWaterMark: 0 }),
      through: new TransformStream({
        async transform(chunk, controller) { await wait(1); tell('transform'); controller.enqueue(chunk); },
        flush() { tell('flush'); },
      }),
      writable: new WritableStream({
        async write() { await wait(1); tell('write'); },
        close() { tell('close'); },
      }, { size() { tell('size'); return 1; } }),
      aborting: new WritableStream({ abort() { tell('abort'); } }),
    };
  });
  const reader = made.readable.getReader();
  await reader.read();
  await reader.cancel();
  const bytes = made.bytes.getReader({ mode: 'byob' });
  await bytes.read(new Uint8Array(8));
  await bytes.cancel();
  for await (const _ of made.iterated) break;
  const [one, other] = made.split.tee();
  await Promise.all([one.getReader().read(), other.getReader().read()]);
  await storage.run('user', () => made.piped.pipeThrough(made.through).pipeTo(made.writable));
  await made.aborting.abort();
  await made.aborted;
  return Response.json(told);
} };
";
    let folder = worker(source, "");
    let (answer, _) = invoke(&folder, &["w"]).await;
    let told: Vec<String> = serde_json::from_str(&answer.text()).unwrap();
    let mut names: Vec<_> = told
        .iter()
        .map(|line| line.strip_suffix(": maker").unwrap_or(line))
        .collect();
    names.sort_unstable();
    let all = [
        "TimeoutError",
        "abort",
        "cancel",
        "cancel bytes",
        "cancel iterated",
        "close",
        "flush",
        "getter of then",
        "microtask",
        "pull",
        "pull bytes",
        "pull iterated",
        "pull piped",
        "pull split",
        "size",
        "start",
        "then",
        "transform",
        "write",
    ];
    assert_eq!(names, all);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promise_goes_on_for_who_waits_whoever_settles_it() {
    let source = "\
import { DurableObject } from 'cloudflare:workers';
export class Room extends DurableObject {
  async ring() {
    console.log('ring');
    const value = await new Promise((resolve) => { this.answer = resolve; });
    console.log(`rung ${value}`);
    return value;
  }
  async isRinging() { return this.answer !== undefined; }
  async call(value) { console.log('call'); this.#settle(value); }
  async later() { await this.ctx.storage.setAlarm(Date.now()); }
  async alarm() { console.log('alarm'); this.#settle('alarm'); }
  #settle(value) { this.answer(value); this.answer = undefined; }
}
export default { async fetch(request, env) {
  const [, method, ...args] = new URL(request.url).pathname.split('/');
  return new Response(await env.ROOM.getByName('r')[method](...args));
} };
";
    let folder = worker(source, ROOM);
    let scenario = Scenario::of(&folder, &["w"]).await;
    for (settle, value) in [("/call/x", "x"), ("/later", "alarm")] {
        let settled = async {
            while answer(&scenario, "/isRinging").await != "true" {}
            answer(&scenario, settle).await
        };
        let (rung, _) = tokio::join!(answer(&scenario, "/ring"), settled);
        assert_eq!(rung, value);
    }
    scenario.idle().await;
    let items = scenario.json();
    let mut told: Vec<_> = of_objects(&items).into_iter().map(lines).collect();
    told.retain(|lines| !lines.is_empty());
    told.sort();
    let alone = |line: &str| vec![line.to_owned()];
    let ring = |value: &str| vec!["ring".to_owned(), format!("rung {value}")];
    assert_eq!(
        told,
        [alone("alarm"), alone("call"), ring("alarm"), ring("x")]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn constructors_of_streams_refuse_what_streams_are_not_made_of() {
    let source = "\
const attempt = (make) => { try { return make() instanceof Object; } catch (error) { return error.name; } };
const read = [];
const watched = (kind) => new Proxy({}, { get: (_, name) => void read.push(`${kind}.${String(name)}`) });
export default { async fetch() {
  const refused = [
    () => ReadableStream(), () => WritableStream(), () => TransformStream(),
    () => new ReadableStream(1), () => new ReadableStream({}, 1),
    () => new ReadableStream({ pull: 1 }), () => new ReadableStream({ start: {} }),
    () => new ReadableStream({ cancel: 'x' }), () => new ReadableStream({ type: 'x' }),
    () => new ReadableStream({ type: 'bytes', autoAllocateChunkSize: 0 }),
    () => new ReadableStream({ type: 'bytes', autoAllocateChunkSize: -1 }),
    () => new ReadableStream({}, { highWaterMark: Symbol() }), () => new ReadableStream({}, { size: 1 }),
    () => new WritableStream(1), () => new WritableStream({ write: 1 }), () => new WritableStream({ abort: {} }),
    () => new TransformStream(1), () => new TransformStream({ transform: 1 }), () => new TransformStream({ flush: 1 }),
    () => new TransformStream({}, 1), () => new TransformStream({}, {}, { size: {} }),
  ].map(attempt);
  const outOfRange = [
    () => new ReadableStream({}, { highWaterMark: -1 }), () => new ReadableStream({}, { highWaterMark: NaN }),
    () => new ReadableStream({ type: 'bytes' }, { size() {} }),
    () => new WritableStream({ type: 'bytes' }), () => new TransformStream({ readableType: 'bytes' }),
  ].map(attempt);
  class Own extends ReadableStream { own() { return 1; } }
  const own = new Own({ start(controller) { controller.close(); } });
  new ReadableStream(watched('source'), watched('strategy'));
  return Response.json({
    refused: [...new Set(refused)], outOfRange: [...new Set(outOfRange)],
    own: [own instanceof Own, own instanceof ReadableStream, own.own(), own.constructor === Own],
    class: [ReadableStream.name, ReadableStream.length, new ReadableStream().constructor === ReadableStream],
    native: new Response('x').body instanceof ReadableStream,
    receiver: await new Promise((resolve) => {
      const source = { start() { resolve(this === source); } };
      new ReadableStream(source);
    }),
    read: read.join(' '),
  });
} };
";
    let folder = worker(source, "");
    let (answer, _) = invoke(&folder, &["w"]).await;
    let told: Value = serde_json::from_str(&answer.text()).unwrap();
    assert_eq!(
        told,
        serde_json::json!({
            "refused": ["TypeError"],
            "outOfRange": ["RangeError"],
            "own": [true, true, 1, true],
            "class": ["ReadableStream", 0, true],
            "native": true,
            "receiver": true,
            "read": "strategy.highWaterMark strategy.size source.autoAllocateChunkSize \
                source.cancel source.pull source.start source.type",
        })
    );
}
