// Other Workers, and entrypoints of this one, to be called.

import * as rpc from "./rpc.js";
import { call } from "./http.js";
import { DurableObject } from "./modules.js";
import { Socket } from "./sockets.js";

// Who is called: the Worker of a service binding, `{ binding }`, an export of
// this one, `{ export, props }`, or a function that returns a promise of such.
// Every name but these is that of an RPC method or property.
class Fetcher {
  #callee;

  constructor(callee) {
    this.#callee = callee;
  }

  async fetch(input, init) {
    const request = input instanceof Request && init === undefined ? input : new Request(input, init);
    const head = {
      method: request.method,
      url: request.url,
      headers: [...request.headers],
      cf: init?.cf ?? input.cf ?? undefined,
    };
    const response = call(this.#callee, { request: head }, request.body);
    return this.#callee.object === undefined ? response : response.catch(asRemote);
  }

  connect(_address) {
    return new Socket(rpc.open(this.#callee, "connect"));
  }

  async scheduled({ cron = "", scheduledTime = Date.now() } = {}) {
    return this.#event({ scheduled: { cron, scheduledTime: Number(scheduledTime) } });
  }

  async queue(queue, messages) {
    const plain = messages.map(({ id, timestamp = Date.now(), attempts = 1, body = null }) => ({
      id,
      timestamp: Number(timestamp),
      attempts,
      body,
    }));
    return this.#event({ queue: { queue, messages: plain } });
  }

  async #event(event) {
    const response = await call(this.#callee, { event: {} }, JSON.stringify(event));
    return response.json();
  }
}

// Errors of a Durable Object say that they come from elsewhere.
function asRemote(error) {
  error.remote = true;
  throw error;
}

const callees = new WeakMap();

// Who a Fetcher calls, as the host is told; nothing if the value is none.
export function calleeOf(value) {
  return callees.get(value);
}

// `own` is what it has beside the members of a Fetcher.
export function fetcher(callee, own = {}) {
  const proxy = new Proxy(new Fetcher(callee), {
    get(target, name) {
      if (Object.hasOwn(own, name)) return own[name];
      if (name in target) {
        const member = target[name];
        return typeof member === "function" ? member.bind(target) : member;
      }
      // A promise that resolves to it must not take it for another promise.
      if (typeof name !== "string" || name === "then") return undefined;
      return rpc.property(callee, [name]);
    },
  });
  callees.set(proxy, callee);
  return proxy;
}

// `env.DISPATCHER`: the Workers of a dispatch namespace.
export class DispatchNamespace {
  #binding;

  constructor(binding) {
    this.#binding = binding;
  }

  get(name, _args = {}, { limits = {}, outbound = {} } = {}) {
    return fetcher({ dispatch: this.#binding, name: String(name), limits, parameters: outbound });
  }
}

// A value that JSON can hold, under the name that its owner knows it by.
export function plain(name, value) {
  let json;
  try {
    json = JSON.stringify(value, (_, part) => {
      if (typeof part === "function" || typeof part === "symbol") throw new TypeError();
      return part;
    });
  } catch {
    // Told below.
  }
  if (json === undefined) throw new TypeError(`\`${name}\` is not what JSON can hold.`);
  return JSON.parse(json);
}

// What `ctx.exports` is: each entrypoint as a Fetcher, or called with `{ props }`
// one that has these.
export function ownExports(exports, namespace) {
  const loopback = {};
  for (const [name, value] of Object.entries(exports)) {
    if (value?.prototype instanceof DurableObject) {
      loopback[name] = namespace({ export: name }, name);
      continue;
    }
    const own = fetcher({ export: name });
    const withProps = ({ props = {} } = {}) => fetcher({ export: name, props: plain("props", props) });
    loopback[name] = new Proxy(withProps, { get: (_, member) => own[member] });
    callees.set(loopback[name], calleeOf(own));
  }
  return loopback;
}
