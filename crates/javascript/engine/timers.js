// Timers that belong to an invocation: they run as a part of it and end with it.

import { currentFrame, currentInvocation, enter, isOver } from "./context.js";
import { report } from "./failure.js";

const native = {
  clearTimeout: globalThis.clearTimeout,
  setInterval: globalThis.setInterval,
  setTimeout: globalThis.setTimeout,
};

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

function start(method, callback, delay, args) {
  if (typeof callback !== "function") {
    throw new TypeError(`Failed to execute '${method}': parameter 1 is not of type 'Function'.`);
  }
  const invocation = currentInvocation();
  if (invocation === null) {
    throw new Error(
      "Disallowed operation called within global scope. Timers can be set within a handler only.",
    );
  }
  const run = guarded(callback, args);
  const timer = native[method](() => {
    run();
    if (method === "setTimeout") invocation.timerEnded(timer);
  }, Number(delay) || 0);
  invocation.timerBegan(timer, method === "setTimeout");
  return timer;
}

export function setTimeout(callback, delay, ...args) {
  return start("setTimeout", callback, delay, args);
}

export function setInterval(callback, delay, ...args) {
  return start("setInterval", callback, delay, args);
}

export function clearTimeout(timer) {
  currentInvocation()?.timerEnded(timer);
  if (timer !== undefined && timer !== null) native.clearTimeout(timer);
}

export function queueMicrotask(callback) {
  Promise.resolve().then(() => {
    try {
      callback();
    } catch (error) {
      report(error);
    }
  });
}

// The clock of Workers begins where that of Date does.
const { performance } = globalThis;
Object.defineProperties(performance, {
  now: { value: () => Date.now(), writable: true, configurable: true },
  timeOrigin: { value: 0, configurable: true },
});

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
