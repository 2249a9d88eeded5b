// AbortController and AbortSignal, as far as they differ from the engine's own.

import {
  controllerAbort,
  controllerSignal,
  inherits,
  isObject,
  listed,
  listen,
  signalAborted,
  signalReason,
} from "./builtins.js";
import { addMembers } from "./classes.js";

const { AbortController, AbortSignal } = globalThis;

function noReason() {
  return new DOMException("The operation was aborted", "AbortError");
}

const CONTROLLER = {
  abort(reason = noReason()) {
    controllerAbort(this, reason);
  },
};

const SIGNAL = {
  throwIfAborted() {
    if (signalAborted(this)) throw signalReason(this);
  },
};

const STATICS = {
  abort(reason = noReason()) {
    const controller = new AbortController();
    controllerAbort(controller, reason);
    return controllerSignal(controller);
  },
  // Returns a signal that aborts with the first of several others.
  any(signals) {
    const sources = sourcesOf(signals);
    const controller = new AbortController();
    const signal = controllerSignal(controller);
    for (let index = 0; index < sources.length; index += 1) {
      if (!signalAborted(sources[index])) continue;
      controllerAbort(controller, signalReason(sources[index]));
      return signal;
    }
    for (let index = 0; index < sources.length; index += 1) {
      const source = sources[index];
      listen(source, "abort", () => controllerAbort(controller, signalReason(source)), ONCE);
    }
    return signal;
  },
};

const ONCE = { __proto__: null, once: true };

function sourcesOf(signals) {
  if (!isObject(signals)) {
    throw new TypeError("Failed to execute 'any' on 'AbortSignal': parameter 1 is not of type 'Array'.");
  }
  const sources = listed(signals);
  for (let index = 0; index < sources.length; index += 1) {
    if (inherits(sources[index], AbortSignal.prototype)) continue;
    throw new TypeError(
      `Incorrect type for array element ${index}: the provided value is not of type 'AbortSignal'.`,
    );
  }
  return sources;
}

export function install() {
  addMembers(AbortController.prototype, CONTROLLER);
  addMembers(AbortSignal.prototype, SIGNAL);
  addMembers(AbortSignal, STATICS);
}
