// Durable Objects: namespaces and stubs, and a live object.

import { define, hasOwn, isObject, keys, mapForEach, matches } from "./builtins.js";
import * as context from "./context.js";
import { unwind } from "./handlers.js";
import { handleForever } from "./inbox.js";
import { running } from "./invocation.js";
import { chain, promised } from "./promise.js";
import { fetcher } from "./services.js";
import { DurableObjectStorage } from "./storage.js";
import { tracing } from "./tracing.js";
import { objectId } from "./host.js";

const ID = /^[0-9a-f]{64}$/;

class DurableObjectId {
  #text;

  static textOf(value) {
    return isObject(value) && #text in value ? value.#text : undefined;
  }

  constructor(text, name) {
    this.#text = text;
    define(this, "jurisdiction", { enumerable: true, configurable: true });
    define(this, "name", { value: name, enumerable: true, configurable: true });
  }

  toString() {
    return this.#text;
  }

  equals(other) {
    return String(other) === this.#text;
  }
}

define(DurableObjectId.prototype, Symbol.toStringTag, {
  value: "DurableObjectId",
  configurable: true,
});

// The objects of a class. `key` makes their ids unique to the class.
export class DurableObjectNamespace {
  #callee;
  #key;

  constructor(callee, key) {
    this.#callee = callee;
    this.#key = key;
  }

  newUniqueId() {
    return new DurableObjectId(objectId(this.#key, undefined));
  }

  idFromName(name) {
    return new DurableObjectId(objectId(this.#key, String(name)), String(name));
  }

  idFromString(text) {
    if (typeof text !== "string" || matches(ID, text) === null) {
      throw new TypeError("Invalid Durable Object ID: must be 64 hex digits");
    }
    return new DurableObjectId(text);
  }

  get(id) {
    const object = DurableObjectId.textOf(id);
    if (object === undefined) {
      throw new TypeError("get() takes an id that idFromName(), idFromString() or newUniqueId() returned.");
    }
    const own = { __proto__: null, id, name: id.name };
    const called = { __proto__: null, id: object, name: id.name };
    return fetcher({ __proto__: null, ...this.#callee, object: called }, own);
  }

  getByName(name) {
    return this.get(this.idFromName(name));
  }

  jurisdiction() {
    return this;
  }
}

// The `ctx` of an object.
class DurableObjectState {
  #object;

  constructor(object, id, loopback, storage) {
    this.#object = object;
    const members = { __proto__: null, storage, id, props: {}, exports: loopback };
    const names = keys(members);
    for (let index = 0; index < names.length; index += 1) {
      const value = members[names[index]];
      define(this, names[index], { value, enumerable: true, configurable: true });
    }
  }

  get tracing() {
    return tracing;
  }

  waitUntil(promise) {
    context.currentInvocation().given(promise);
  }

  blockConcurrencyWhile(callback) {
    return this.#object.block(callback);
  }

  abort(reason = "Application called abort() to reset Durable Object.") {
    this.#object.abort(String(reason));
    unwind();
  }
}

define(DurableObjectState.prototype, Symbol.toStringTag, {
  value: "DurableObjectState",
  configurable: true,
});

// Runs code while nothing else of its object runs.
const alone = new context.AsyncLocalStorage();

// A live object.
class LiveObject {
  instance = undefined;
  // A promise that must be settled before an event is handled.
  #gate = undefined;
  #worker;
  #class;
  #id;

  constructor(worker, { entrypoint: name, id, name: idName }) {
    this.#worker = worker;
    this.#class = hasOwn(worker.exports, name) ? worker.exports[name] : undefined;
    this.#id = new DurableObjectId(id, idName ?? undefined);
    if (typeof this.#class !== "function") {
      throw new TypeError(`The Worker exports no class \`${name}\` of Durable Objects.`);
    }
  }

  // Waits until the object is created and its concurrency is not blocked.
  async ready() {
    if (this.instance === undefined) {
      const hasAlarm = typeof this.#class.prototype?.alarm === "function";
      const storage = new DurableObjectStorage(hasAlarm);
      const state = new DurableObjectState(this, this.#id, this.#worker.loopback, storage);
      this.instance = new this.#class(state, this.#worker.env);
    }
    while (this.#gate !== undefined) await this.#gate;
  }

  // Ends all events of the object. It is created again for the next one.
  abort(reason) {
    this.instance = undefined;
    this.#gate = undefined;
    mapForEach(running, (invocation) => invocation.abort(reason));
  }

  block(callback) {
    // Code that already runs alone does not wait for itself.
    if (alone.getStore() === this) return chain(promised(), callback);
    const blocked = chain(promised(this.#gate), () => alone.run(this, callback));
    const gate = chain(
      blocked,
      () => {},
      (error) => {
        // The object is created again for the next event.
        this.instance = undefined;
        throw error;
      },
    );
    const open = () => {
      if (this.#gate === gate) this.#gate = undefined;
    };
    this.#gate = gate;
    chain(gate, open, open);
    return blocked;
  }
}

// Lets an object handle its events. It is created for the first one.
export function live(worker, called) {
  let object;
  return handleForever(worker, called.first, () => (object ??= new LiveObject(worker, called)));
}
