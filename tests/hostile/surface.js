// Calls everything that a script can reach with whatever it can make. Before each
// call it says which one comes, so that the last line names what took the isolate down.

import * as workers from "cloudflare:workers";
import * as hooks from "node:async_hooks";
import * as diagnostics from "node:diagnostics_channel";
import * as taffrail from "taffrail:workers";

// Who is called in the place of this Worker, which would walk as well.
export class Other extends workers.WorkerEntrypoint {
  fetch() {
    return new Response("from an entrypoint");
  }
}

export class Plain extends workers.DurableObject {
  fetch() {
    return new Response("from an object");
  }
}

const { apply, construct, getOwnPropertyDescriptor, getPrototypeOf, ownKeys } = Reflect;
const { log } = console;
const { setTimeout, Map, Promise, String, Array } = globalThis;
// Calls of one event: as many as its item has room for.
const CALLS = 300;

// Numbers below some other: mulberry32.
function random(seed) {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

function attempt(work) {
  try {
    return work();
  } catch {
    return undefined;
  }
}

// Values that nobody expects.
function oddities() {
  const thrower = new Proxy({}, new Proxy({}, { get: () => { throw new Error("a trap"); } }));
  const revoked = Proxy.revocable(() => {}, {});
  revoked.revoke();
  const detached = new ArrayBuffer(8);
  structuredClone(detached, { transfer: [detached] });
  const view = new Uint8Array(new ArrayBuffer(8, { maxByteLength: 16 }), 4);
  view.buffer.resize(2);
  const cyclic = { length: 1 };
  cyclic[0] = cyclic.self = cyclic;
  const late = new Promise(() => {});
  const getters = {};
  for (const name of ["method", "body", "headers", "type", "highWaterMark", "size", "start", "pull", "signal", "mode", "status", "then", "length", "0"]) {
    Object.defineProperty(getters, name, { enumerable: true, get() { throw new Error("a getter"); } });
  }
  return {
    undefined, null: null, true: true, zero: 0, minus: -1, NaN, fraction: 1.5, huge: 2 ** 53, infinite: Infinity, three: 3,
    empty: "", text: "text", path: "/x", url: "http://a.test/x?y#z", data: "data:text/plain,x", surrogate: "\ud800", nul: "a\0b", wide: "名前", long: "y".repeat(1 << 12),
    gzip: "gzip", bytes: "bytes", byob: "byob", get: "GET",
    symbol: Symbol("odd"), iterator: Symbol.iterator, bigint: 2n ** 70n,
    plain: {}, bare: { __proto__: null }, array: [], pairs: [["a", "b"]], odd: [[]], triple: [["a", "b", "c"]], holes: [, 1], cyclic, getters,
    thrower, revoked: revoked.proxy, proxied: new Proxy(function () {}, {}),
    primitive: { valueOf() { throw new Error("valueOf"); }, toString() { throw new Error("toString"); }, [Symbol.toPrimitive]() { throw new Error("toPrimitive"); } },
    unconvertible: { toString: () => ({}), valueOf: () => ({}) },
    iterable: { [Symbol.iterator]: () => ({ next: () => ({ value: 1, done: true }) }) }, broken: { [Symbol.iterator]: () => 1 }, raising: { [Symbol.iterator]() { throw new Error("iterator"); } },
    thenable: { then(resolve) { resolve(1); } }, throwing: { then() { throw new Error("then"); } }, late,
    detached, buffer: new ArrayBuffer(8), shared: attempt(() => new SharedArrayBuffer(8)), view, words: new Uint16Array(3), floats: new Float64Array(2), dataview: new DataView(new ArrayBuffer(4)), bytes3: new Uint8Array(3), none: new Uint8Array(0),
    arrow: () => 1, raise() { throw new Error("a callback"); }, reject: () => Promise.reject(new Error("rejected")), generator: function* () { yield 1; }, class: class {}, bound: function () {}.bind(), 
    source: { start() {}, pull(c) { c.enqueue("chunk"); }, cancel() {} }, bytesource: { type: "bytes", autoAllocateChunkSize: 4, pull(c) { c.byobRequest?.respond(1); } }, numbers: { start: 1, pull: 2, cancel: 3 }, strategy: { highWaterMark: 2, size: () => NaN }, negative: { highWaterMark: -1 },
    init: { method: "POST", body: "b", headers: { a: "b" } }, stream: { method: "POST", body: new ReadableStream(), duplex: "half" }, status: { status: 99 }, range: { status: 204, statusText: "\ud800" }, json: { type: "json" },
    error: new Error("an error"), date: new Date(NaN), regexp: /x/g, map: new Map([[1, 2]]), set: new Set([1]), weak: new WeakMap(), function: Function, global: globalThis,
  };
}

// Instances of all classes, in the states that they can be in.
function instances(request, env, ctx) {
  const made = { request, env, ctx };
  const make = (name, work) => {
    const value = attempt(work);
    if (value !== undefined) made[name] = value;
  };
  make("url", () => new URL("http://a.test/b?c=d"));
  make("params", () => new URLSearchParams("a=b&a=c"));
  make("entries", () => new URLSearchParams("a=b").entries());
  make("headers", () => new Headers({ a: "b" }));
  make("headerEntries", () => new Headers({ a: "b" }).entries());
  make("post", () => new Request("http://a.test/", { method: "POST", body: "body" }));
  make("bare", () => new Request("http://a.test/"));
  make("used", () => { const r = new Response("used"); r.text(); return r; });
  make("response", () => new Response("body"));
  make("none", () => new Response(null));
  make("streamed", () => new Response(new ReadableStream({ start(c) { c.enqueue(new Uint8Array(2)); c.close(); } })));
  make("wrong", () => new Response(new ReadableStream({ start(c) { c.enqueue({}); c.close(); } })));
  make("failed", () => new Response(new ReadableStream({ start(c) { c.error(1); } })));
  make("cloned", () => new Response("cloned").clone());
  make("blob", () => new Blob(["a", new Uint8Array(2)]));
  make("file", () => new File(["a"], "name"));
  make("form", () => { const f = new FormData(); f.append("a", "b"); f.append("c", new Blob(["d"]), "e"); return f; });
  make("formEntries", () => new FormData().entries());
  make("readable", () => new ReadableStream({ start(c) { made.controller = c; }, pull(c) { c.enqueue("chunk"); } }));
  make("closed", () => new ReadableStream({ start(c) { made.closedController = c; c.close(); } }));
  make("errored", () => new ReadableStream({ start(c) { made.erroredController = c; c.error(new Error("e")); } }));
  make("byteStream", () => new ReadableStream({ type: "bytes", start(c) { made.byteController = c; } }));
  make("locked", () => { const s = new ReadableStream(); made.reader = s.getReader(); return s; });
  make("released", () => { const r = new ReadableStream().getReader(); r.releaseLock(); return r; });
  make("byobReader", () => {
    const s = new ReadableStream({ type: "bytes", pull(c) { made.byobRequest = c.byobRequest; } });
    const reader = s.getReader({ mode: "byob" });
    reader.read(new Uint8Array(4)).catch(() => {});
    return reader;
  });
  make("bodyReader", () => new Response("body").body.getReader());
  make("body", () => new Response("body").body);
  make("lockedBody", () => { const r = new Response("body"); r.body.getReader(); return r; });
  make("tee", () => new ReadableStream({ pull(c) { c.enqueue(1); } }).tee()[0]);
  make("bodyTee", () => new Response("b").body.tee()[1]);
  make("writable", () => new WritableStream({ start(c) { made.writeController = c; } }));
  make("writer", () => new WritableStream().getWriter());
  make("releasedWriter", () => { const w = new WritableStream().getWriter(); w.releaseLock(); return w; });
  make("transform", () => new TransformStream({ start(c) { made.transformController = c; } }));
  make("identity", () => new TransformStream());
  make("identityReader", () => { const t = new TransformStream(); made.identityWriter = t.writable.getWriter(); return t.readable.getReader(); });
  make("gzip", () => new CompressionStream("gzip"));
  make("gunzip", () => new DecompressionStream("gzip"));
  make("gzipWriter", () => new CompressionStream("deflate").writable.getWriter());
  make("gunzipReader", () => new DecompressionStream("deflate").readable.getReader());
  make("byteCount", () => new ByteLengthQueuingStrategy({ highWaterMark: 1 }));
  make("count", () => new CountQueuingStrategy({ highWaterMark: 1 }));
  make("encoder", () => new TextEncoder());
  make("decoder", () => new TextDecoder());
  make("fatal", () => new TextDecoder("utf-16le", { fatal: true, ignoreBOM: true }));
  make("abort", () => new AbortController());
  make("aborted", () => { const c = new AbortController(); c.abort(1); return c; });
  make("signal", () => new AbortController().signal);
  make("abortedSignal", () => AbortSignal.abort());
  make("timeout", () => AbortSignal.timeout(1000));
  make("any", () => AbortSignal.any([made.signal, made.timeout]));
  make("target", () => new EventTarget());
  make("event", () => new Event("a", { cancelable: true }));
  make("custom", () => new CustomEvent("a", { detail: 1 }));
  make("exception", () => new DOMException("a", "AbortError"));
  make("storage", () => new hooks.AsyncLocalStorage());
  make("resource", () => new hooks.AsyncResource("a"));
  make("channel", () => diagnostics.channel("a"));
  make("tracing", () => diagnostics.tracingChannel("b"));
  make("entrypoint", () => new workers.WorkerEntrypoint(ctx, env));
  make("object", () => new workers.DurableObject(ctx, env));
  make("id", () => env.OBJECT.newUniqueId());
  make("stub", () => env.OBJECT.get(env.OBJECT.idFromName("a")));
  make("rpcTarget", () => new workers.RpcTarget());
  make("rpcStub", () => new workers.RpcStub(new workers.RpcTarget()));
  make("performance", () => performance);
  make("navigator", () => navigator);
  make("crypto", () => crypto);
  make("subtle", () => crypto.subtle);
  make("console", () => console);
  make("scheduler", () => scheduler);
  make("location", () => globalThis.location);
  make("promise", () => Promise.resolve(1));
  make("weakRef", () => new WeakRef({}));
  make("registry", () => new FinalizationRegistry(() => {}));
  make("intl", () => Intl);
  make("timer", () => setTimeout(() => {}, 1e6));
  return made;
}

function nameOf(key) {
  return typeof key === "symbol" ? `[${String(key.description)}]` : String(key);
}

// All functions that can be reached, each once and with the way to it.
function surface(roots) {
  const found = [];
  const seen = new Map();
  const queue = [];
  const visit = (value, name) => {
    const isFunction = typeof value === "function";
    if ((!isFunction && typeof value !== "object") || value === null || seen.has(value)) return;
    seen.set(value, name);
    queue.push([value, name]);
  };
  for (const name of ownKeys(roots)) visit(roots[name], name === "global" ? "" : nameOf(name));
  for (let index = 0; index < queue.length; index += 1) {
    const [holder, path] = queue[index];
    for (const key of attempt(() => ownKeys(holder)) ?? []) {
      const name = `${path}.${nameOf(key)}`;
      const property = attempt(() => getOwnPropertyDescriptor(holder, key));
      if (property === undefined) continue;
      if (typeof property.value === "function" && !seen.has(property.value)) found.push({ name, call: property.value, holder });
      if (property.get !== undefined) found.push({ name: `get ${name}`, call: property.get, holder });
      if (property.set !== undefined) found.push({ name: `set ${name}`, call: property.set, holder });
      visit(property.value, name);
      if (property.get !== undefined && index < 400) visit(attempt(() => apply(property.get, holder === roots.global ? undefined : holder, [])), `${name}`);
    }
    visit(attempt(() => getPrototypeOf(holder)), `${path}.__proto__`);
  }
  return found;
}

// What stops the walk by itself.
const SKIPPED = /^\.(Object|Reflect)\.(freeze|seal|preventExtensions|setPrototypeOf|defineProperty|defineProperties|assign|set|deleteProperty)$|\.Atomics\.wait|^\.(Function|eval)$|__(define|lookup).etter__|__proto__$|\.ctx\.(abort|exports)|^ctx.*\.abort$/;

export default {
  async fetch(request, env, ctx) {
    const url = new URL(request.url);
    const next = random(Number(url.searchParams.get("seed")));
    const one = (list) => list[next(list.length)];
    const odd = oddities();
    const made = instances(request, env, ctx);
    const modules = { workers, hooks, diagnostics, taffrail };
    const roots = { global: globalThis, ...modules, ...made };
    const functions = surface(roots).filter(({ name, call }) => !SKIPPED.test(name) && call !== surface);
    const web = functions.filter(({ name }) => !/^(get |set )?\.(Array|ArrayBuffer|SharedArrayBuffer|Atomics|BigInt.*|Boolean|DataView|Date|Error|.*Error|Float.*Array|Function|globalThis|Int.*Array|Intl|Iterator|JSON|Map|Math|Number|Object|Promise|Proxy|Reflect|RegExp|Set|String|Symbol|Uint.*Array|Weak.*)\b/.test(name));
    const natural = new Map();
    for (const name of ownKeys(made)) {
      for (let holder = made[name]; holder !== null && typeof holder === "object"; holder = attempt(() => getPrototypeOf(holder)) ?? null) {
        if (!natural.has(holder)) natural.set(holder, []);
        natural.get(holder).push(name);
      }
    }
    const names = [...ownKeys(odd).map((name) => [odd, name]), ...ownKeys(made).map((name) => [made, name])];
    const kinds = names.filter(([, name]) => name !== "global");
    const value = (text) => {
      const [from, name] = one(kinds);
      text.push(name);
      return from[name];
    };
    for (let index = 0; index < CALLS; index += 1) {
      const { name, call, holder } = one(next(8) === 0 ? functions : web);
      const text = [];
      const own = natural.get(holder);
      let receiver;
      switch (next(8)) {
        case 0: receiver = holder === globalThis ? undefined : holder; text.push("holder"); break;
        case 1: receiver = value(text); break;
        default:
          if (own === undefined) { receiver = holder === globalThis ? undefined : holder; text.push("holder"); }
          else { const which = one(own); text.push(which); receiver = made[which]; }
      }
      const args = [];
      const count = one([0, 1, 1, 2, 2, 3]);
      for (let n = 0; n < count; n += 1) args.push(value(text));
      const isNew = typeof call.prototype === "object" && next(4) > 0 || next(20) === 0;
      log(`${index} ${isNew ? "new " : ""}${name}: ${text.join(", ")}`);
      try {
        const result = isNew ? construct(call, args) : apply(call, receiver, args);
        if (result instanceof Promise) await Promise.race([result.catch(() => {}), new Promise((done) => setTimeout(done, 0))]);
      } catch {}
    }
    await new Promise((done) => setTimeout(done, 1));
    return new Response("walked");
  },
};
