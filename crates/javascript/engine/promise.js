// Promises that know the frame of their callbacks, and whether their rejection is
// handled. The bundler turns `async` functions into generators that drive promises, so
// that all promises pass through here. A native `await` would not.

import {
  apply,
  construct,
  define,
  generatorNext,
  generatorThrow,
  getPrototypeOf,
  hasOwn,
  isObject,
  mapDelete,
  setForEach,
  setPrototypeOf,
  setSize,
  weakAdd,
  weakRemove,
  weakHas,
} from "./builtins.js";
import { handledLate } from "./error-events.js";
import { currentFrame, currentInvocation, enter, isOver } from "./context.js";

const { Promise: Native, Symbol, TypeError, WeakSet } = globalThis;
const nativeThen = Native.prototype.then;
const handled = new WeakSet();

export function Tracked(executor) {
  if (new.target === undefined) {
    throw new TypeError("Promise constructor cannot be invoked without 'new'");
  }
  if (typeof executor !== "function") {
    throw new TypeError("Promise resolver is not a function");
  }
  let promise;
  let isResolved = false;
  // What to do once the promise is settled and has been created. Either may happen
  // first.
  let settled;
  const settle = (then) => {
    settled = then;
    if (promise !== undefined) then();
  };
  const tracked = (resolve, reject) => {
    const fail = (reason) => {
      reject(reason);
      settle(() => rejected(promise, reason));
    };
    const rejectTracked = (reason) => {
      if (isResolved) return;
      isResolved = true;
      fail(reason);
    };
    const resolveTracked = (value) => {
      if (isResolved) return;
      isResolved = true;
      try {
        const known = withFrame(value);
        resolve(known);
        const isAnothers = known !== value || isPromise(value);
        settle(isAnothers ? () => follow(promise) : ignore);
      } catch (error) {
        fail(error);
      }
    };
    try {
      executor(resolveTracked, rejectTracked);
    } catch (error) {
      rejectTracked(error);
    }
  };
  promise = construct(Native, [tracked], new.target);
  settled?.();
  return promise;
}

function ignore() {}

// Returns a value with which a promise can be resolved. The engine calls the `then`
// method of a thenable later, and without a frame.
function withFrame(value) {
  if (!isObject(value) || isPromise(value)) return value;
  const method = value.then;
  if (typeof method !== "function") return value;
  const frame = currentFrame();
  return { __proto__: null, then: (...callbacks) => enter(frame, method, value, callbacks) };
}

// When a promise adopts the state of another one, its rejection bypasses this class.
function follow(promise) {
  apply(nativeThen, promise, [undefined, (reason) => rejected(promise, reason)]);
}

function rejected(promise, reason) {
  if (weakHas(handled, promise)) return;
  currentInvocation()?.rejected(promise, reason);
}

// Promises whose rejection was reported to a script as unhandled.
const reported = new WeakSet();

export function wasReported(promise) {
  weakAdd(reported, promise);
}

function inFrame(callback, frame) {
  if (typeof callback !== "function") return callback;
  return (value) =>
    // Once an invocation is over, its callbacks never run.
    isOver(frame) ? new Native(ignore) : enter(frame, answer, undefined, [callback, value]);
}

function answer(callback, value) {
  return withFrame(callback(value));
}

function then(onFulfilled, onRejected) {
  if (isObject(this)) weakAdd(handled, this);
  if (weakRemove(reported, this)) chain(promised(), () => handledLate(this));
  const invocation = currentInvocation();
  if (invocation !== null) mapDelete(invocation.rejections, this);
  const frame = currentFrame();
  return apply(nativeThen, this, [inFrame(onFulfilled, frame), inFrame(onRejected, frame)]);
}

// Calls the original `then`, whatever a Worker has replaced it with.
export function chain(promise, onFulfilled, onRejected) {
  return apply(then, promise, [onFulfilled, onRejected]);
}

// Returns a promise of the value, which may itself be a promise.
export function promised(value) {
  return isPromise(value) ? value : new Tracked((resolve) => resolve(value));
}

function isPromise(value) {
  try {
    return isObject(value) && getPrototypeOf(value) === Native.prototype && !hasOwn(value, "then");
  } catch {
    return false;
  }
}

// Resolves, without a value, once all promises of a set are settled.
export function allSettled(promises) {
  return new Tracked((resolve) => {
    let left = setSize(promises);
    if (left === 0) resolve();
    const settled = () => {
      left -= 1;
      if (left === 0) resolve();
    };
    setForEach(promises, (promise) => chain(promise, settled, settled));
  });
}

// Runs an `async` function of the engine: see `build.mjs`.
export function drive(receiver, args, begin) {
  return new Tracked((resolve, reject) => {
    const generator = apply(begin, receiver, args ?? []);
    const step = (go, value) => {
      try {
        const result = go(generator, value);
        if (result.done) resolve(result.value);
        else chain(promised(result.value), fulfilled, failed);
      } catch (error) {
        reject(error);
      }
    };
    const fulfilled = (value) => step(generatorNext, value);
    const failed = (reason) => step(generatorThrow, reason);
    fulfilled();
  });
}

function getThis() {
  return this;
}

export function install() {
  // The bundler does not know the callers, and would remove it.
  void drive;
  setPrototypeOf(Tracked, Native);
  define(Tracked, "name", { value: "Promise" });
  define(Tracked, "prototype", { value: Native.prototype, writable: false });
  // Every promise is created through one of these two.
  define(Tracked, Symbol.species, { get: getThis });
  define(Native.prototype, "constructor", { value: Tracked, writable: false, configurable: false });
  define(Native.prototype, "then", { value: then, writable: true, configurable: true });
  define(globalThis, "Promise", { value: Tracked, writable: true, configurable: true });
}
