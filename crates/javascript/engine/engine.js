// The engine component: evaluates a Worker's script and passes events to it.

import * as asyncFunctions from "./async-functions.js";
import * as console from "./console.js";
import * as errors from "./error-events.js";
import * as events from "./events.js";
import * as failure from "./failure.js";
import * as abort from "./abort.js";
import * as blob from "./blob.js";
import * as customEvent from "./custom-event.js";
import * as formData from "./form-data.js";
import * as headers from "./headers.js";
import * as http from "./http.js";
import { FixedLengthStream } from "./lengths.js";
import * as pipe from "./pipe.js";
import * as promise from "./promise.js";
import * as regexp from "./regexp.js";
import * as request from "./request.js";
import * as response from "./response.js";
import * as stack from "./stack.js";
import * as streamConstructors from "./stream-constructors.js";
import * as streams from "./streams.js";
import * as surface from "./surface.js";
import * as textStreams from "./text-streams.js";
import * as timers from "./timers.js";
import * as url from "./url.js";
import * as watch from "./watch.js";
import * as wire from "./wire.js";
import { AnalyticsEngineDataset } from "./analytics.js";
import { AnalyticsSql } from "./analytics-sql.js";
import { assign, define as defineProperty, isObject, keys, parse, set, stringify } from "./builtins.js";
import { handled } from "./handlers.js";
import { setResult } from "./host.js";
import { handleAll } from "./inbox.js";
import { KvNamespace } from "./kv.js";
import { WorkerLoader } from "./loader.js";
import { define, provide, require } from "./modules.js";
import { observe } from "./observe.js";
import { DurableObjectNamespace, live } from "./objects.js";
import { addOwnExports, DispatchNamespace, fetcher } from "./services.js";
import { textOf } from "./function-text.js";
import { structuredClone } from "./trace-item.js";

const worker = { exports: undefined, env: {}, loopback: {}, isEmpty: false, hasOrigin: false };

// The script that was built into the component.
let embedded;

// Compiles a script that becomes part of the component. It is evaluated at the start,
// when the contents of `env` are known.
export function embed(source) {
  embedded = compiled(source);
}

export const script = {
  start(source, setup) {
    try {
      const { token, name, vars, bindings, serviceWorker, hasOrigin, isAhead } = parse(setup);
      wire.connect(token);
      const env = environment(vars, bindings);
      worker.hasOrigin = hasOrigin;
      worker.env = env;
      provide(env, worker.loopback);
      if (serviceWorker) assign(globalThis, env);
      worker.exports = evaluate(embedded ?? compiled(source));
      addOwnExports(worker.loopback, worker.exports, namespaceOf(name));
      watch.begin();
      worker.isEmpty = !handlesAnything(worker.exports);
      if (worker.isEmpty && !hasOrigin) throw new Error(NOTHING_TO_RUN);
      if (isAhead) setResult(stringify(handled(worker.exports)));
      return true;
    } catch (error) {
      failure.uncaught(error);
      return false;
    }
  },

  async handle(text) {
    const event = parse(text);
    if (event.type !== "object") return handleAll(worker, event);
    await live(worker, event);
    return false;
  },
};

const { eval: evaluateText } = globalThis;

function compiled(source) {
  return evaluateText(
    `(function (module, exports, require) {${source}\n})\n//# sourceURL=worker.js`,
  );
}

function evaluate(run) {
  const module = { exports: {}, async: promise.drive, asyncGenerator: asyncFunctions.generator };
  run(module, module.exports, require);
  return module.exports;
}

function environment(vars, bindings) {
  const env = {};
  const given = keys(vars);
  for (let index = 0; index < given.length; index += 1) set(env, given[index], vars[given[index]]);
  const names = keys(bindings);
  for (let index = 0; index < names.length; index += 1) {
    const name = names[index];
    const { kind, key } = bindings[name];
    set(env, name, BINDINGS[kind](name, key));
  }
  return env;
}

// How each kind of binding is created in `env`.
const BINDINGS = {
  __proto__: null,
  analytics: (binding) => new AnalyticsEngineDataset(binding),
  dispatch: (binding) => new DispatchNamespace(binding),
  kv: (binding) => new KvNamespace(binding),
  loader: (binding) => new WorkerLoader(binding),
  object: (binding, key) => new DurableObjectNamespace({ __proto__: null, binding }, key),
  sql: (binding) => new AnalyticsSql(binding),
  service: (binding) => fetcher({ __proto__: null, binding }),
};

// Creates the namespace of a class of the Worker with this name.
function namespaceOf(name) {
  return (callee, className) => new DurableObjectNamespace(callee, `${name}-${className}`);
}

const NOTHING_TO_RUN =
  "No event handlers were registered. This script does nothing: export a default object or class with fetch(), tail(), scheduled() or queue().";

// Whether the script has any event handler.
function handlesAnything(exports) {
  const names = keys(exports);
  for (let index = 0; index < names.length; index += 1) {
    if (isObject(exports[names[index]])) return true;
  }
  return events.areListenedTo();
}

function toString() {
  return textOf(this);
}

define("taffrail:workers", { observe });
promise.install();
failure.install();
regexp.install();
asyncFunctions.install();
stack.install();
abort.install();
blob.install();
customEvent.install();
formData.install();
headers.install();
request.install();
response.install();
streams.install();
streamConstructors.install();
timers.install();
textStreams.install();
url.install();
pipe.install();
surface.install();
defineProperty(Function.prototype, "toString", {
  value: toString,
  writable: true,
  configurable: true,
});

const GLOBALS = {
  ErrorEvent: errors.ErrorEvent,
  PromiseRejectionEvent: errors.PromiseRejectionEvent,
  FixedLengthStream,
  addEventListener: events.addEventListener,
  clearInterval: timers.clearTimeout,
  clearTimeout: timers.clearTimeout,
  console: console.console,
  dispatchEvent: events.dispatch,
  fetch: http.fetch,
  navigator: { userAgent: "Cloudflare-Workers" },
  queueMicrotask: timers.queueMicrotask,
  removeEventListener: events.removeEventListener,
  reportError: errors.reportError,
  scheduler: timers.scheduler,
  setInterval: timers.setInterval,
  setTimeout: timers.setTimeout,
  structuredClone,
};

for (const name of keys(GLOBALS)) {
  defineProperty(globalThis, name, { value: GLOBALS[name], writable: true, configurable: true });
}

watch.prepare();
