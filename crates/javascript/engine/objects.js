// Durable Objects: how they are found, and how one lives.

import * as context from "./context.js";
import { askHost } from "./http.js";
import { handle } from "./handle.js";
import { Invocation } from "./invocation.js";
import { fetcher } from "./services.js";
import { DurableObjectStorage } from "./storage.js";
import { finish, objectId } from "taffrail:javascript/host@0.1.0";

class DurableObjectId {
  #text;

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
    if (!/^[0-9a-f]{64}$/.test(text)) {
      throw new TypeError("Invalid Durable Object ID: must be 64 hex digits");
    }
    return new DurableObjectId(text);
  }

  get(id) {
    if (!(id instanceof DurableObjectId)) {
      throw new TypeError("get() takes an id that idFromName(), idFromString() or newUniqueId() returned.");
    }
    return fetcher({ ...this.#callee, object: String(id) }, { id, name: id.name });
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
    this.#class = worker.exports[name];
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
    const before = Promise.resolve(this.#gate);
    const blocked = before.then(callback);
    const gate = blocked.then(
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
    gate.then(open, open);
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
    if (answer.status !== 200) return;
    const { number, event, cancel } = await answer.json();
    if (cancel !== undefined) {
      running.get(cancel)?.end();
      running.delete(cancel);
      continue;
    }
    const invocation = new Invocation(event);
    invocation.number = number;
    running.set(number, invocation);
    const over = () => {
      invocation.end();
      running.delete(number);
      finish(number);
    };
    const begun = invocation.run(async () => {
      invocation.object = object ??= new LiveObject(worker, entrypoint, id);
      await handle(worker, invocation, event);
    });
    context.outside(() => begun.then(over, over));
  }
}
