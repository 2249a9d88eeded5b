// Finds the function of the script that handles an event.

import { append, apply, bare, define, hasOwn } from "./builtins.js";
import { listens } from "./events.js";
import { tracing } from "./tracing.js";

// The `ctx` of a handler.
export class ExecutionContext {
  #invocation;

  constructor(invocation, loopback) {
    this.#invocation = invocation;
    define(this, "props", { value: invocation.props, enumerable: true });
    define(this, "exports", { value: loopback, enumerable: true });
  }

  get tracing() {
    return tracing;
  }

  waitUntil(promise) {
    this.#invocation.given(promise);
  }

  passThroughOnException() {
    this.#invocation.passesThrough = true;
  }

  abort(reason = "Worker execution was aborted due to call to ctx.abort().") {
    this.#invocation.abort(reason);
    unwind();
  }
}

define(ExecutionContext.prototype, Symbol.toStringTag, {
  value: "ExecutionContext",
  configurable: true,
});

// Leaves the code that has aborted its own invocation. It does not go on: if code
// catches this error, nothing more is recorded for it, and it waits forever.
export function unwind() {
  throw new Error("The invocation was aborted.");
}

// An entrypoint for one event: `call(name, ...args)` calls the function with that name.
export class Entrypoint {
  #object;
  #instance;
  #script;
  #env;
  #ctx;

  constructor(script, invocation) {
    this.#object = invocation.object;
    this.#ctx = new ExecutionContext(invocation, script.loopback);
    const { parameters } = invocation;
    this.#env = parameters === undefined ? script.env : { ...script.env, ...parameters };
    const name = invocation.entrypoint;
    const exported = name ?? "default";
    const isExported = hasOwn(script.exports, exported) && script.exports[exported] !== undefined;
    if (name !== undefined && !isExported) {
      throw new Error(`Worker has no such entrypoint: ${name}`);
    }
    this.#script = isExported ? script.exports[exported] : undefined;
  }

  // The object with the handlers, which is an instance if the script exports a class.
  target() {
    if (this.#object !== undefined) return this.#object.instance;
    if (!isClass(this.#script)) return this.#script;
    return (this.#instance ??= new this.#script(this.#ctx, this.#env));
  }

  // Finds the function with this name, which takes the argument of an event.
  find(name) {
    const target = this.target();
    const handler = target?.[name];
    if (typeof handler !== "function") return undefined;
    return (argument) => apply(handler, target, [argument, this.#env, this.#ctx]);
  }
}

// Returns the events for which the script has a handler. A class is not instantiated: its
// handlers are methods.
export function handled(exports) {
  const exported = hasOwn(exports, "default") ? exports.default : undefined;
  const target = isClass(exported) ? exported.prototype : exported;
  const has = (name) => typeof target?.[name] === "function" || listens(name);
  const names = bare([]);
  if (typeof target?.tailStream === "function") append(names, "tailStream");
  if (has("fetch")) append(names, "fetch");
  if (has("tail") || has("trace")) append(names, "tail");
  if (has("scheduled")) append(names, "scheduled");
  if (has("queue")) append(names, "queue");
  return names;
}

function isClass(value) {
  return typeof value === "function" && value.prototype !== undefined;
}
