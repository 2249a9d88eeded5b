// The engine component: evaluates a Worker's script and hands it its events.

import * as console from "./console.js";
import * as context from "./context.js";
import * as events from "./events.js";
import * as failure from "./failure.js";
import * as http from "./http.js";
import * as promise from "./promise.js";
import * as timers from "./timers.js";
import { AnalyticsEngineDataset } from "./analytics.js";
import { handle as handleEvent } from "./handle.js";
import { Invocation } from "./invocation.js";
import { KvNamespace } from "./kv.js";
import { WorkerLoader } from "./loader.js";
import { define, provide, require } from "./modules.js";
import { observe } from "./observe.js";
import { DurableObjectNamespace, live } from "./objects.js";
import { DispatchNamespace, fetcher, ownExports } from "./services.js";
import { sourceText } from "taffrail:javascript/host@0.1.0";
import { structuredClone } from "./trace-item.js";

const worker = { exports: undefined, env: {}, loopback: {}, isEmpty: false, hasOrigin: false };

// Evaluates a script ahead of everything, to become a part of the component.
export function embed(source) {
  worker.exports = evaluate(source);
}

export const script = {
  start(source, setup) {
    try {
      const { name, vars, bindings, serviceWorker, hasOrigin } = JSON.parse(setup);
      const env = { ...vars };
      for (const [binding, { kind, key }] of Object.entries(bindings)) {
        env[binding] = BINDINGS[kind](binding, key);
      }
      worker.hasOrigin = hasOrigin;
      worker.env = env;
      provide(env, worker.loopback);
      if (serviceWorker) Object.assign(globalThis, env);
      worker.exports ??= evaluate(source);
      Object.assign(worker.loopback, ownExports(worker.exports, namespaceOf(name)));
      worker.isEmpty = !handlesAnything(worker.exports);
      if (worker.isEmpty && !hasOrigin) throw new Error(NOTHING_TO_RUN);
      return true;
    } catch (error) {
      failure.uncaught(error);
      return false;
    }
  },

  async handle(text) {
    const event = JSON.parse(text);
    if (event.type === "object") {
      await live(worker, event);
      return false;
    }
    const invocation = new Invocation(event);
    context.begin(invocation);
    await invocation.run(() => handleEvent(worker, invocation, event));
    context.finish();
    return invocation.end();
  },
};

function evaluate(source) {
  const module = { exports: {} };
  const run = (0, eval)(
    `(function (module, exports, require) {${source}\n})\n//# sourceURL=worker.js`,
  );
  run(module, module.exports, require);
  return module.exports;
}

// What is in `env` for each kind of binding.
const BINDINGS = {
  analytics: (binding) => new AnalyticsEngineDataset(binding),
  dispatch: (binding) => new DispatchNamespace(binding),
  kv: (binding) => new KvNamespace(binding),
  loader: (binding) => new WorkerLoader(binding),
  object: (binding, key) => new DurableObjectNamespace({ binding }, key),
  service: (binding) => fetcher({ binding }),
};

// The objects of a class of the Worker of this name.
function namespaceOf(name) {
  return (callee, className) => new DurableObjectNamespace(callee, `${name}-${className}`);
}

const NOTHING_TO_RUN =
  "No event handlers were registered. This script does nothing: export a default object or class with fetch(), tail(), scheduled() or queue().";

// Whether an event could be handled at all.
function handlesAnything(exports) {
  const isTarget = (value) => typeof value === "object" || typeof value === "function";
  return events.areListenedTo() || Object.values(exports).some((value) => value && isTarget(value));
}

const nativeToString = Function.prototype.toString;

// The text of a function is the one in the user's own source.
function toString() {
  const text = Reflect.apply(nativeToString, this, []);
  return text.includes("[native code]") ? text : sourceText(text);
}

define("taffrail:workers", { observe });
promise.install();
failure.install();
http.install();
Object.defineProperty(Function.prototype, "toString", {
  value: toString,
  writable: true,
  configurable: true,
});

const GLOBALS = {
  addEventListener: events.addEventListener,
  clearInterval: timers.clearTimeout,
  clearTimeout: timers.clearTimeout,
  console: console.console,
  dispatchEvent: events.dispatch,
  fetch: http.fetch,
  navigator: { userAgent: "Cloudflare-Workers" },
  queueMicrotask: timers.queueMicrotask,
  removeEventListener: events.removeEventListener,
  reportError: failure.report,
  scheduler: timers.scheduler,
  setInterval: timers.setInterval,
  setTimeout: timers.setTimeout,
  structuredClone,
};

for (const [name, value] of Object.entries(GLOBALS)) {
  Object.defineProperty(globalThis, name, { value, writable: true, configurable: true });
}
