// Other Workers, and entrypoints of this one, to be called.

import {
  apply,
  hasOwn,
  inherits,
  keys,
  listed,
  mapped,
  now,
  parse,
  responseText,
  set,
  stringify,
  weakGet,
  weakSet,
} from "./builtins.js";
import { pairs } from "./headers.js";
import { DurableObject } from "./modules.js";
import { follow } from "./redirect.js";
import { isRequest, outgoing } from "./request.js";
import * as rpc from "./rpc.js";
import { Socket } from "./sockets.js";
import { call } from "./wire.js";

// Who is called: the Worker of a service binding, `{ binding }`, an export of
// this one, `{ export, props }`, or a function that returns a promise of such.
// Every name but these is that of an RPC method or property.
class Fetcher {
  #callee;

  constructor(callee) {
    this.#callee = callee;
  }

  async fetch(input, init) {
    const request = isRequest(input) && init === undefined ? input : new Request(input, init);
    return follow(outgoing(request), (message) => this.#send(message));
  }

  #send({ url, method, headers, body, cf, signal }) {
    const head = { __proto__: null, method, url, headers: framed(headers), cf };
    return call(this.#callee, { request: head }, body, signal);
  }

  connect(_address) {
    return new Socket(rpc.open(this.#callee, "connect"));
  }

  async scheduled({ cron = "", scheduledTime = now() } = {}) {
    return this.#event({ scheduled: { cron, scheduledTime: Number(scheduledTime) } });
  }

  async queue(queue, messages) {
    const plain = mapped(listed(messages), ({ id, timestamp = now(), attempts = 1, body = null }) => ({
      id,
      timestamp: Number(timestamp),
      attempts,
      body,
    }));
    return this.#event({ queue: { queue, messages: plain } });
  }

  async #event(event) {
    const response = await call(this.#callee, { event: { __proto__: null } }, stringify(event));
    // An object of the Worker's, as any that it makes.
    return JSON.parse(await responseText(response));
  }
}

// The headers that a callee sees, and its item has. In process a body has no
// length before its end, whatever the caller says.
function framed(headers) {
  return pairs(headers, "content-length");
}

const callees = new WeakMap();

// Who a Fetcher calls, as the host is told; nothing if the value is none.
export function calleeOf(value) {
  return weakGet(callees, value);
}

// `own` is what it has beside the members of a Fetcher.
export function fetcher(callee, own = {}) {
  const proxy = new Proxy(new Fetcher(callee), {
    __proto__: null,
    get(target, name) {
      if (hasOwn(own, name)) return own[name];
      if (name in target) {
        const member = target[name];
        return typeof member === "function" ? (...args) => apply(member, target, args) : member;
      }
      // A promise that resolves to it must not take it for another promise.
      if (typeof name !== "string" || name === "then") return undefined;
      return rpc.property(callee, [name]);
    },
  });
  weakSet(callees, proxy, callee);
  return proxy;
}

// `env.DISPATCHER`: the Workers of a dispatch namespace.
export class DispatchNamespace {
  #binding;

  constructor(binding) {
    this.#binding = binding;
  }

  get(name, _args = {}, { limits = {}, outbound = {} } = {}) {
    return fetcher({
      __proto__: null,
      dispatch: this.#binding,
      name: String(name),
      limits,
      parameters: outbound,
    });
  }
}

// A value that JSON can hold, under the name that its owner knows it by.
export function plain(name, value) {
  let json;
  try {
    json = stringify(value, (_, part) => {
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
export function addOwnExports(loopback, exports, namespace) {
  const names = keys(exports);
  for (let index = 0; index < names.length; index += 1) {
    const name = names[index];
    const isClass = inherits(exports[name]?.prototype, DurableObject.prototype);
    const callee = { __proto__: null, export: name };
    set(loopback, name, isClass ? namespace(callee, name) : ownExport(callee));
  }
}

function ownExport(callee) {
  const own = fetcher(callee);
  const withProps = ({ props = {} } = {}) => fetcher({ ...callee, props: plain("props", props) });
  const proxy = new Proxy(withProps, { __proto__: null, get: (_, member) => own[member] });
  weakSet(callees, proxy, callee);
  return proxy;
}
