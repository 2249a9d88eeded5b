// The built-in modules that a script may import.

import { assign, hasOwn } from "./builtins.js";
import * as context from "./context.js";
import * as diagnostics from "./diagnostics.js";
import { tracing } from "./tracing.js";
import { RpcStub, RpcTarget } from "capnweb";

export class WorkerEntrypoint {
  constructor(ctx, env) {
    this.ctx = ctx;
    this.env = env;
  }
}

export class DurableObject {
  constructor(ctx, env) {
    this.ctx = ctx;
    this.env = env;
  }
}

// Filled in when the script starts.
const workers = { DurableObject, RpcStub, RpcTarget, WorkerEntrypoint, env: {}, exports: {}, tracing, waitUntil };

function waitUntil(promise) {
  const invocation = context.currentInvocation();
  if (invocation === null) throw new Error("waitUntil() can only be called within a handler.");
  invocation.given(promise);
}

const asyncHooks = {
  AsyncLocalStorage: context.AsyncLocalStorage,
  AsyncResource: context.AsyncResource,
};

const MODULES = {
  __proto__: null,
  "taffrail:workers": {},
  "cloudflare:workers": workers,
  "node:async_hooks": { ...asyncHooks, default: asyncHooks },
  "node:diagnostics_channel": { ...diagnostics, default: diagnostics },
};

export function require(name) {
  if (!hasOwn(MODULES, name)) throw new Error(`No such module "${name}".`);
  return MODULES[name];
}

// Adds members that come from modules which import this one.
export function define(name, members) {
  assign(MODULES[name], members);
}

export function provide(env, exports) {
  workers.env = env;
  workers.exports = exports;
}
