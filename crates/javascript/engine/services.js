// Other Workers, and entrypoints of this one, to be called.

import * as rpc from "./rpc.js";
import { call } from "./http.js";
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
    return call(this.#callee, { request: head }, request.body);
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

const callees = new WeakMap();

// Who a Fetcher calls, as the host is told; nothing if the value is none.
export function calleeOf(value) {
  return callees.get(value);
}

export function fetcher(callee) {
  const proxy = new Proxy(new Fetcher(callee), {
    get(target, name) {
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

// What `ctx.exports` is: each entrypoint as a Fetcher, or called with `{ props }`
// one that has these.
export function ownExports(exports) {
  const loopback = {};
  for (const name of Object.keys(exports)) {
    const own = fetcher({ export: name });
    const withProps = (options = {}) => fetcher({ export: name, props: options.props ?? {} });
    loopback[name] = new Proxy(withProps, { get: (_, member) => own[member] });
    callees.set(loopback[name], calleeOf(own));
  }
  return loopback;
}
