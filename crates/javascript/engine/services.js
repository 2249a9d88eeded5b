// Callable Workers, and entrypoints of this Worker.

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

// A callee is the Worker of a service binding, `{ binding }`, an export of this Worker,
// `{ export, props }`, or a function that returns a promise of either. Every other name
// is that of an RPC method or property.
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
    // An ordinary object of the Worker's, with a prototype.
    return JSON.parse(await responseText(response));
  }
}

// Returns the headers that a callee sees and that its item has. In process the length
// of a body is not known before its end, so a `content-length` of the caller is
// ignored.
function framed(headers) {
  return pairs(headers, "content-length");
}

const callees = new WeakMap();

// Returns the callee of a Fetcher, as the host expects it, or undefined if the value is
// not a Fetcher.
export function calleeOf(value) {
  return weakGet(callees, value);
}

// Returns a Fetcher. `own` has additional members.
export function fetcher(callee, own = {}) {
  const proxy = new Proxy(new Fetcher(callee), {
    __proto__: null,
    get(target, name) {
      if (hasOwn(own, name)) return own[name];
      if (name in target) {
        const member = target[name];
        return typeof member === "function" ? (...args) => apply(member, target, args) : member;
      }
      // A Fetcher must not look like a thenable, or promises could not resolve to it.
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

// Returns a copy of a value that JSON can represent. `name` is used in the error.
export function plain(name, value) {
  let json;
  try {
    json = stringify(value, (_, part) => {
      if (typeof part === "function" || typeof part === "symbol") throw new TypeError();
      return part;
    });
  } catch {
    // The error is thrown below.
  }
  if (json === undefined) throw new TypeError(`\`${name}\` cannot be represented as JSON.`);
  return JSON.parse(json);
}

// Adds the members of `ctx.exports`: each entrypoint is a Fetcher. When it is called
// with `{ props }`, it returns a Fetcher with these props.
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
