// Timers belong to an invocation: they run as part of it and end with it.

import { controllerAbort, controllerSignal, define, now } from "./builtins.js";
import { currentFrame, currentInvocation, enter, isOver } from "./context.js";
import { reportError } from "./error-events.js";
import { report } from "./failure.js";
import { chain, promised } from "./promise.js";

const { AbortController, AbortSignal, DOMException, Number, clearTimeout: nativeClear, performance, setInterval: nativeInterval } = globalThis;
const nativeTimeout = globalThis.setTimeout;

function guarded(callback, args) {
  const frame = currentFrame();
  return () => {
    if (isOver(frame)) return;
    try {
      enter(frame, callback, undefined, args);
    } catch (error) {
      report(error);
    }
  };
}

function start(method, native, callback, delay, args) {
  if (typeof callback !== "function") {
    throw new TypeError(`Failed to execute '${method}': parameter 1 is not of type 'Function'.`);
  }
  return begin(native, callback, delay, args, native === nativeTimeout);
}

// `isWaitedFor` is whether an event of an object lasts as long as the timer.
function begin(native, callback, delay, args, isWaitedFor) {
  const invocation = currentInvocation();
  if (invocation === null) {
    throw new Error(
      "Disallowed operation called within global scope. Timers can only be set within a handler.",
    );
  }
  const run = guarded(callback, args);
  const timer = native(() => {
    run();
    if (native === nativeTimeout) invocation.timerEnded(timer);
  }, Number(delay) || 0);
  invocation.timerBegan(timer, isWaitedFor);
  return timer;
}

export function setTimeout(callback, delay, ...args) {
  return start("setTimeout", nativeTimeout, callback, delay, args);
}

export function setInterval(callback, delay, ...args) {
  return start("setInterval", nativeInterval, callback, delay, args);
}

export function clearTimeout(timer) {
  currentInvocation()?.timerEnded(timer);
  if (timer !== undefined && timer !== null) nativeClear(timer);
}

// `AbortSignal.timeout`. The engine's own calls its listeners without a frame, even
// after the event is over.
function signalAfter(delay) {
  const controller = new AbortController();
  const abort = () =>
    controllerAbort(controller, new DOMException("The operation was aborted due to timeout", "TimeoutError"));
  begin(nativeTimeout, abort, delay, [], false);
  return controllerSignal(controller);
}

export function install() {
  define(AbortSignal, "timeout", { value: signalAfter, writable: true, configurable: true });
}

export function queueMicrotask(callback) {
  chain(promised(), () => {
    try {
      callback();
    } catch (error) {
      reportError(error);
    }
  });
}

// On Workers, this clock has the same origin as that of Date.
define(performance, "now", { value: () => now(), writable: true, configurable: true });
define(performance, "timeOrigin", { value: 0, configurable: true });

export const scheduler = {
  wait(delay, { signal } = {}) {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const timer = setTimeout(resolve, delay);
      signal?.addEventListener("abort", () => {
        clearTimeout(timer);
        reject(signal.reason);
      });
    });
  },
};
