// Promises that know the frame of their callbacks and whether somebody handles
// their rejection. The bundler turns `async` functions into generators that
// drive promises, so that all of them pass here; a native `await` would not.

import { currentFrame, currentInvocation, enter, isOver } from "./context.js";

const Native = Promise;
const nativeThen = Native.prototype.then;
const handled = new WeakSet();

function Tracked(executor) {
  if (new.target === undefined) {
    throw new TypeError("Promise constructor cannot be invoked without 'new'");
  }
  if (typeof executor !== "function") {
    throw new TypeError(`Promise resolver ${String(executor)} is not a function`);
  }
  let promise;
  // What to do about it once it is settled and exists: either may come first.
  let settled;
  const settle = (then) => {
    if (settled !== undefined) return;
    settled = then;
    if (promise !== undefined) then();
  };
  const tracked = (resolve, reject) => {
    const rejectTracked = (reason) => {
      reject(reason);
      settle(() => rejected(promise, reason));
    };
    const resolveTracked = (value) => {
      resolve(value);
      settle(isThenable(value) ? () => follow(promise) : ignore);
    };
    try {
      executor(resolveTracked, rejectTracked);
    } catch (error) {
      rejectTracked(error);
    }
  };
  promise = Reflect.construct(Native, [tracked], new.target);
  settled?.();
  return promise;
}

function ignore() {}

function isThenable(value) {
  const type = typeof value;
  return (
    value !== null && (type === "object" || type === "function") && typeof value.then === "function"
  );
}

// A promise that takes the state of another one is rejected behind our back.
function follow(promise) {
  Reflect.apply(nativeThen, promise, [undefined, (reason) => rejected(promise, reason)]);
}

function rejected(promise, reason) {
  if (handled.has(promise)) return;
  currentInvocation()?.rejected(promise, reason);
}

function inFrame(callback, frame) {
  if (typeof callback !== "function") return callback;
  return (value) =>
    // What is over never goes on.
    isOver(frame) ? new Native(() => {}) : enter(frame, callback, undefined, [value]);
}

function then(onFulfilled, onRejected) {
  handled.add(this);
  currentInvocation()?.rejections.delete(this);
  const frame = currentFrame();
  return Reflect.apply(nativeThen, this, [inFrame(onFulfilled, frame), inFrame(onRejected, frame)]);
}

export function install() {
  Object.setPrototypeOf(Tracked, Native);
  Object.defineProperty(Tracked, "name", { value: "Promise" });
  Object.defineProperty(Tracked, "prototype", { value: Native.prototype, writable: false });
  Object.defineProperty(Native.prototype, "constructor", { value: Tracked, writable: true, configurable: true });
  Object.defineProperty(Native.prototype, "then", { value: then, writable: true, configurable: true });
  Object.defineProperty(globalThis, "Promise", { value: Tracked, writable: true, configurable: true });
}
