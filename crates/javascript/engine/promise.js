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
  setForEach,
  setPrototypeOf,
  setSize,
  weakAdd,
  weakRemove,
  weakHas,
} from "./builtins.js";
import { handledLate } from "./error-events.js";
import { currentFrame, currentInvocation, enter, isOver, within } from "./context.js";

const { Promise: Native, Symbol, TypeError, WeakSet } = globalThis;
const { reject: nativeReject, resolve: nativeResolve } = Native;
const nativeThen = Native.prototype.then;
const handled = new WeakSet();

// The functions of the native promise that was created last.
let resolveLatest;
let rejectLatest;

function capture(resolve, reject) {
  resolveLatest = resolve;
  rejectLatest = reject;
}

export function Tracked(executor) {
  if (new.target === undefined) {
    throw new TypeError("Promise constructor cannot be invoked without 'new'");
  }
  if (typeof executor !== "function") {
    throw new TypeError("Promise resolver is not a function");
  }
  const promise =
    new.target === Tracked ? new Native(capture) : construct(Native, [capture], new.target);
  const resolve = resolveLatest;
  const reject = rejectLatest;
  let isResolved = false;
  const rejectTracked = (reason) => {
    if (isResolved) return;
    isResolved = true;
    reject(reason);
    rejected(promise, reason);
  };
  const resolveTracked = (value) => {
    if (isResolved) return;
    isResolved = true;
    resolveWith(promise, resolve, reject, value);
  };
  try {
    executor(resolveTracked, rejectTracked);
  } catch (error) {
    rejectTracked(error);
  }
  return promise;
}

// Resolves a promise, given its native functions.
function resolveWith(promise, resolve, reject, value) {
  try {
    const known = withFrame(value);
    resolve(known);
    if (adopts(known, value)) follow(promise);
  } catch (error) {
    reject(error);
    rejected(promise, error);
  }
}

// Returns a value with which a promise can be resolved. The engine calls the `then`
// method of a thenable later, and without a frame.
function withFrame(value) {
  if (!isObject(value) || isPromise(value)) return value;
  const method = value.then;
  if (typeof method !== "function") return value;
  const frame = currentFrame();
  return { __proto__: null, then: (...callbacks) => enter(frame, method, value, callbacks) };
}

// Whether a promise that is resolved with `withFrame(value)` adopts another one's state.
function adopts(known, value) {
  return known !== value || isPromise(value);
}

// When a promise adopts the state of another one, its rejection bypasses this class.
function follow(promise) {
  const frame = currentFrame();
  natively(promise, () => called(frame), (reason) => {
    called(frame);
    rejected(promise, reason);
  });
  registered(frame);
}

function rejected(promise, reason) {
  if (weakHas(handled, promise)) return;
  currentInvocation()?.rejected(promise, reason);
}

// Promises whose rejection was reported to a script as unhandled.
const reported = new WeakSet();
let isAnyReported = false;

export function wasReported(promise) {
  isAnyReported = true;
  weakAdd(reported, promise);
}

// Records that a promise has a handler.
function handle(promise) {
  if (isObject(promise)) weakAdd(handled, promise);
  if (isAnyReported && weakRemove(reported, promise)) {
    react(promised(), () => handledLate(promise), ignore);
  }
  currentInvocation()?.handled(promise);
}

// Whether the class of the next derived promise is the native one.
let isNative = false;

function species() {
  const given = isNative ? Native : this;
  isNative = false;
  return given;
}

// An invocation counts the callbacks of its promises that are still to run.
function registered(frame) {
  if (frame.invocation !== null) frame.invocation.callbacks += 1;
}

function called(frame) {
  if (frame.invocation !== null) frame.invocation.callbacks -= 1;
}

// Calls the native `then`. The promise that it creates is native, unless `promise` is of
// a class of the script's.
function natively(promise, onFulfilled, onRejected, isOwn = isOrdinary(promise)) {
  isNative = isOwn;
  try {
    return apply(nativeThen, promise, [onFulfilled, onRejected]);
  } finally {
    isNative = false;
  }
}

// Whether the class of a promise is `Promise`, without asking any code of a script.
function isOrdinary(promise) {
  try {
    return (
      isObject(promise) &&
      getPrototypeOf(promise) === Native.prototype &&
      !hasOwn(promise, "constructor")
    );
  } catch {
    return false;
  }
}

function inFrame(callback, frame, derived) {
  return (value) => {
    // Once an invocation is over, its callbacks never run.
    if (isOver(frame)) return new Native(ignore);
    called(frame);
    return within(frame, answer, callback, value, derived);
  };
}

function ignore() {}

// Returns the result of a callback. `derived` holds the promise that will have it.
function answer(callback, value, derived) {
  try {
    const result = callback(value);
    if (!isObject(result)) return result;
    const known = withFrame(result);
    if (derived.promise !== undefined && adopts(known, result)) follow(derived.promise);
    return known;
  } catch (error) {
    if (derived.promise !== undefined) rejected(derived.promise, error);
    throw error;
  }
}

function identity(value) {
  return value;
}

function passOn(reason) {
  throw reason;
}

function then(onFulfilled, onRejected) {
  handle(this);
  const frame = currentFrame();
  const isOwn = isOrdinary(this);
  const derived = { __proto__: null, promise: undefined };
  const promise = natively(
    this,
    inFrame(typeof onFulfilled === "function" ? onFulfilled : identity, frame, derived),
    inFrame(typeof onRejected === "function" ? onRejected : passOn, frame, derived),
    isOwn,
  );
  registered(frame);
  // Any other class has created it through `Tracked`.
  if (isOwn) derived.promise = promise;
  return promise;
}

// Calls the original `then`, whatever a Worker has replaced it with.
export function chain(promise, onFulfilled, onRejected) {
  return apply(then, promise, [onFulfilled, onRejected]);
}

// Calls back once a promise is settled. There is no promise for the results of the
// callbacks, which must not throw.
export function react(promise, onFulfilled, onRejected) {
  const frame = currentFrame();
  handle(promise);
  natively(promise, unanswered(onFulfilled, frame), unanswered(onRejected, frame));
  registered(frame);
}

function unanswered(callback, frame) {
  return (value) => {
    if (isOver(frame)) return;
    called(frame);
    within(frame, callback, value);
  };
}

// Returns a promise of the value, which may itself be a promise.
export function promised(value) {
  return isPromise(value) ? value : resolved(value);
}

function isPromise(value) {
  try {
    return isObject(value) && getPrototypeOf(value) === Native.prototype && !hasOwn(value, "then");
  } catch {
    return false;
  }
}

// Returns a new promise that is resolved with the value.
function resolved(value) {
  try {
    const known = withFrame(value);
    if (!isObject(known)) return apply(nativeResolve, Native, [known]);
    const promise = new Native(capture);
    resolveLatest(known);
    if (adopts(known, value)) follow(promise);
    return promise;
  } catch (error) {
    return rejection(error);
  }
}

// Returns a rejected promise.
export function rejection(reason) {
  const promise = apply(nativeReject, Native, [reason]);
  rejected(promise, reason);
  return promise;
}

// Resolves, without a value, once all promises of an array are fulfilled, or rejects with
// the first reason.
export function all(promises) {
  return new Tracked((resolve, reject) => {
    let left = promises.length;
    if (left === 0) resolve();
    const fulfilled = () => {
      left -= 1;
      if (left === 0) resolve();
    };
    for (let index = 0; index < promises.length; index += 1) react(promises[index], fulfilled, reject);
  });
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
    setForEach(promises, (promise) => react(promise, settled, settled));
  });
}

// Runs an `async` function. The bundler has made a generator of it.
export function drive(receiver, args, begin) {
  let generator;
  let first;
  try {
    generator = apply(begin, receiver, args ?? []);
    first = generatorNext(generator);
  } catch (error) {
    return rejection(error);
  }
  if (first.done) return resolved(first.value);
  const promise = new Native(capture);
  const resolve = resolveLatest;
  const reject = rejectLatest;
  const frame = currentFrame();
  const wait = (value) => {
    const awaited = promised(value);
    handle(awaited);
    natively(awaited, fulfilled, failed);
    registered(frame);
  };
  const step = (go, value) => {
    try {
      const result = go(generator, value);
      if (result.done) resolveWith(promise, resolve, reject, result.value);
      else wait(result.value);
    } catch (error) {
      reject(error);
      rejected(promise, error);
    }
  };
  const go = (how, value) => {
    if (isOver(frame)) return;
    called(frame);
    within(frame, step, how, value);
  };
  const fulfilled = (value) => go(generatorNext, value);
  const failed = (reason) => go(generatorThrow, reason);
  wait(first.value);
  return promise;
}

export function install() {
  setPrototypeOf(Tracked, Native);
  define(Tracked, "name", { value: "Promise" });
  define(Tracked, "prototype", { value: Native.prototype, writable: false });
  // Every promise is created through one of these two.
  define(Tracked, Symbol.species, { get: species });
  define(Native.prototype, "constructor", { value: Tracked, writable: false, configurable: false });
  define(Native.prototype, "then", { value: then, writable: true, configurable: true });
  define(globalThis, "Promise", { value: Tracked, writable: true, configurable: true });
}
