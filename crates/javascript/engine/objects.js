// Durable Objects: how they are found, and how one lives.

import { hasOwn, isObject, mapDelete, mapGet, mapSet, matches, parse, responseStatus, responseText, setPrototypeOf } from "./builtins.js";
import * as context from "./context.js";
import { handle } from "./handle.js";
import { uncaught } from "./failure.js";
import { Invocation } from "./invocation.js";
import { chain, promised } from "./promise.js";
import { fetcher } from "./services.js";
import { askHost } from "./wire.js";
import { DurableObjectStorage } from "./storage.js";
import { finish, objectId } from "./host.js";

const ID = /^[0-9a-f]{64}$/;

class DurableObjectId {
  #text;

  static textOf(value) {
    return isObject(value) && #text in value ? value.#text : undefined;
  }

  constructor(text, name) {
    this.#text = text;
    if (name !== undefined) this.name = name;
  }

  toString() {
    return this.#text;
  }

  equals(other) {
    return String(other) === this.#text;
  }
}

// The objects of a class. `key` is what makes their ids its own.
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
    return fetcher({ __proto__: null, ...this.#callee, object }, own);
  }

  getByName(name) {
    return this.get(this.idFromName(name));
  }

  jurisdiction() {
    return this;
  }
}

// An object while it lives.
class LiveObject {
  instance = undefined;
  // What has to be over before an event is handled.
  #gate = undefined;
  #worker;
  #class;
  #id;

  constructor(worker, name, id) {
    this.#worker = worker;
    this.#class = hasOwn(worker.exports, name) ? worker.exports[name] : undefined;
    this.#id = id;
    if (typeof this.#class !== "function") {
      throw new TypeError(`The Worker exports no class \`${name}\` of Durable Objects.`);
    }
  }

  // Ready once it is made and its concurrency is not blocked.
  async ready() {
    this.instance ??= new this.#class(this.#state(), this.#worker.env);
    while (this.#gate !== undefined) await this.#gate;
  }

  #state() {
    return {
      id: new DurableObjectId(this.#id),
      exports: this.#worker.loopback,
      props: {},
      storage: new DurableObjectStorage(),
      waitUntil: (promise) => context.currentInvocation().waitUntil(promise),
      blockConcurrencyWhile: (callback) => this.#block(callback),
    };
  }

  #block(callback) {
    const blocked = chain(promised(this.#gate), callback);
    const gate = chain(
      blocked,
      () => {},
      (error) => {
        // It is made anew for the next event.
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

// Handles the events of an object, each as soon as it comes, until none comes.
export async function live(worker, { entrypoint, id }) {
  context.share();
  let object;
  const running = new Map();
  for (;;) {
    const answer = await askHost("events");
    if (responseStatus(answer) !== 200) return;
    const { number, event, cancel } = parse(await responseText(answer));
    if (cancel !== undefined) {
      mapGet(running, cancel)?.end();
      mapDelete(running, cancel);
      continue;
    }
    const invocation = new Invocation(setPrototypeOf(event, null));
    invocation.number = number;
    mapSet(running, number, invocation);
    const over = () => {
      invocation.end();
      mapDelete(running, number);
      finish(number);
      // The host has left it, too: whose turn is next is to be said anew.
      context.finish();
    };
    const begun = invocation.run(async () => {
      invocation.object = object ??= new LiveObject(worker, entrypoint, id);
      await handle(worker, invocation, event);
    });
    const failed = (error) => {
      invocation.run(() => uncaught(error));
      over();
    };
    context.outside(() => chain(begun, over, failed));
  }
}
