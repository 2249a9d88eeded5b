// Which invocation the running code belongs to, in which of its spans it works, and what
// `AsyncLocalStorage` holds for it. A frame is captured where a callback is registered, and restored when the
// callback runs.

import * as host from "./host.js";
import { apply, copied, mapGet, mapSet } from "./builtins.js";

const { Map } = globalThis;

const OUTSIDE = { invocation: null, values: new Map(), span: undefined };

let frame = OUTSIDE;
// The invocation that the host takes to be the current one. Code without a frame is
// counted to it.
let running = null;

// Records that the host has made an invocation the current one.
export function begin(invocation) {
  running = invocation;
}

export function finish() {
  running = null;
}

// Tells the host which invocation the instance now works for, and in which span.
function switchTo({ invocation, span }) {
  if (invocation === null) return;
  if (invocation !== running) {
    running = invocation;
    host.enter(invocation.number);
  }
  if (span === invocation.entered) return;
  invocation.entered = span;
  host.enterSpan(span?.id);
}

export function currentFrame() {
  return frame;
}

export function currentInvocation() {
  return frame.invocation ?? running;
}

export function enter(next, callback, receiver, args) {
  return within(next, apply, callback, receiver, args);
}

// Calls a function of the engine in a frame.
export function within(next, callback, first, second, third) {
  const previous = frame;
  frame = next;
  switchTo(next);
  try {
    return callback(first, second, third);
  } finally {
    frame = previous;
    switchTo(previous);
  }
}

// Whether code in a frame must not run any more: nothing outlives its invocation.
export function isOver({ invocation }) {
  return invocation !== null && invocation.over;
}

// Runs code that belongs to the instance rather than to an invocation.
export function outside(callback) {
  return enter(OUTSIDE, callback, undefined, []);
}

export function frameOf(invocation) {
  return { invocation, values: new Map(), span: undefined };
}

// Calls a function within a span: `{ id }`.
export function enterSpan(span, callback, args) {
  const next = { invocation: currentInvocation(), values: frame.values, span };
  return enter(next, callback, undefined, args);
}

export class AsyncLocalStorage {
  static bind(callback) {
    const captured = frame;
    return (...args) => enter(captured, callback, undefined, args);
  }

  static snapshot() {
    const captured = frame;
    return (callback, ...args) => enter(captured, callback, undefined, args);
  }

  getStore() {
    return mapGet(frame.values, this);
  }

  run(store, callback, ...args) {
    return enterWith(this, store, callback, args);
  }

  exit(callback, ...args) {
    return enterWith(this, undefined, callback, args);
  }
}

function enterWith(storage, store, callback, args) {
  const values = copied(frame.values);
  mapSet(values, storage, store);
  const next = { invocation: currentInvocation(), values, span: frame.span };
  return enter(next, callback, undefined, args);
}

export class AsyncResource {
  #frame = frame;

  static bind(callback, _type, receiver) {
    const resource = new AsyncResource();
    return (...args) => resource.runInAsyncScope(callback, receiver, ...args);
  }

  runInAsyncScope(callback, receiver, ...args) {
    return enter(this.#frame, callback, receiver, args);
  }

  bind(callback) {
    return (...args) => this.runInAsyncScope(callback, undefined, ...args);
  }
}
