// From an event to the function of the script that handles it.

import { record } from "./console.js";

// What `ctx` is in a handler.
export class ExecutionContext {
  #invocation;

  constructor(invocation, loopback) {
    this.#invocation = invocation;
    Object.defineProperty(this, "exports", { value: loopback, enumerable: true });
    Object.defineProperty(this, "props", { value: invocation.props, enumerable: true });
  }

  waitUntil(promise) {
    this.#invocation.waitUntil(promise);
  }

  passThroughOnException() {
    this.#invocation.passesThrough = true;
  }
}

// A handler of one event: `call(name, ...args)` calls the function of that name.
export class Entrypoint {
  #object;
  #script;
  #env;
  #ctx;

  constructor(script, invocation) {
    this.#object = invocation.object;
    this.#ctx = new ExecutionContext(invocation, script.loopback);
    const { parameters } = invocation;
    this.#env = parameters === undefined ? script.env : { ...script.env, ...parameters };
    const name = invocation.entrypoint;
    if (name !== undefined && script.exports[name] === undefined) {
      throw new Error(`Worker has no such entrypoint: ${name}`);
    }
    this.#script = script.exports[name ?? "default"];
  }

  // What has the handlers: an instance if the script exports a class.
  target() {
    if (this.#object !== undefined) return this.#object.instance;
    return isClass(this.#script) ? new this.#script(this.#ctx, this.#env) : this.#script;
  }

  // The function and what `this` is in it, of the first name that there is.
  find(...names) {
    const target = this.target();
    for (const name of names) {
      if (typeof target?.[name] === "function") {
        return (argument) => target[name](argument, this.#env, this.#ctx);
      }
    }
    return undefined;
  }
}

function isClass(value) {
  return typeof value === "function" && value.prototype !== undefined;
}

const LACKING = {
  alarm:
    "Attempted to schedule an alarm, but this Durable Object does not have an alarm() handler.",
  connect:
    "Received a ConnectEvent but we lack a handler for ConnectEvents. Did you remember to export a connect() function?",
  fetch:
    "Received a FetchEvent but we lack a handler for FetchEvents. Did you remember to export a fetch() function?",
  queue:
    "Received a QueueEvent but we lack a handler for QueueEvents. Did you remember to export a queue() function?",
  scheduled:
    "Received a ScheduledEvent but we lack a handler for ScheduledEvents (a.k.a. Cron Triggers). Did you remember to export a scheduled() function?",
  tail: "Attempted to send events but we lack a handler, did you remember to export a tail() function?",
};

// The failure of an event that meets a script without its handler.
export function lacking(name) {
  record("warn", LACKING[name]);
  return new Error(`Handler does not export a ${name}() function.`);
}
