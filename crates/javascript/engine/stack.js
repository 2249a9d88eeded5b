// Stacks of errors as in V8: their layout, `Error.captureStackTrace`,
// `Error.prepareStackTrace` and `Error.stackTraceLimit`.

import * as host from "./host.js";
import { append, apply, define, getOwn, isFinite, isObject, matches, slice, uncurried } from "./builtins.js";

const { Error, Number, String, TypeError } = globalThis;

const nativeStack = getOwn(Error.prototype, "stack");
const nativeCapture = Error.captureStackTrace;
const stackOf = uncurried(nativeStack.get);

// V8's default for the number of frames.
const LIMIT = 10;

// Returns the stack for an error at a place, whatever a Worker does to stacks. `here`
// is an error that was created there.
export function stackAt(here, name, message) {
  const header = message === "" ? name : `${name}: ${message}`;
  return headed(header, host.frames(stackOf(here), LIMIT));
}

function text(error, frames) {
  return headed(headerOf(error), frames);
}

function headed(header, frames) {
  return frames === "" ? header : `${header}\n${frames}`;
}

function headerOf(error) {
  try {
    return String(error);
  } catch {
    return "Error";
  }
}

let isPreparing = false;

// Returns the stack that a Worker sees, given SpiderMonkey's.
function shown(error, stack) {
  if (typeof stack !== "string") return stack;
  const frames = host.frames(stack, limit());
  const prepare = Error.prepareStackTrace;
  if (typeof prepare !== "function" || isPreparing) return text(error, frames);
  isPreparing = true;
  try {
    return apply(prepare, Error, [error, callSites(frames)]);
  } finally {
    isPreparing = false;
  }
}

function limit() {
  const limit = Error.stackTraceLimit;
  if (typeof limit !== "number") return 0;
  if (!isFinite(limit)) return limit > 0 ? MOST : 0;
  return limit < 0 ? 0 : limit > MOST ? MOST : limit;
}

// More frames than the host returns.
const MOST = 1000;

const FRAME = /^    at (?:(.*) \((.*):(\d+):(\d+)\)|(.*):(\d+):(\d+))$/gm;

function callSites(frames) {
  const sites = [];
  FRAME.lastIndex = 0;
  for (let frame; (frame = matches(FRAME, frames)) !== null; ) append(sites, new CallSite(frame));
  return sites;
}

// One frame. Properties that V8 hides for strict code are hidden here too.
class CallSite {
  #name;
  #file;
  #line;
  #column;
  #text;

  constructor(frame) {
    this.#text = frame[0];
    this.#name = frame[1] ?? null;
    this.#file = frame[2] ?? frame[5];
    this.#line = Number(frame[3] ?? frame[6]);
    this.#column = Number(frame[4] ?? frame[7]);
  }

  getColumnNumber() {
    return this.#column;
  }

  getEvalOrigin() {
    return undefined;
  }

  getFileName() {
    return this.#file;
  }

  getFunction() {
    return undefined;
  }

  getFunctionName() {
    return this.#name;
  }

  getLineNumber() {
    return this.#line;
  }

  getMethodName() {
    return null;
  }

  getPromiseIndex() {
    return null;
  }

  getScriptNameOrSourceURL() {
    return this.#file;
  }

  getThis() {
    return undefined;
  }

  getTypeName() {
    return null;
  }

  isAsync() {
    return false;
  }

  isConstructor() {
    return false;
  }

  isEval() {
    return false;
  }

  isNative() {
    return false;
  }

  isPromiseAll() {
    return false;
  }

  isToplevel() {
    return true;
  }

  toString() {
    return slice(this.#text, INDENT);
  }
}

// The length of the text before a frame.
const INDENT = "    at ".length;

// Sets the `stack` of an object to the current stack, beginning at the caller of
// `below`.
function captureStackTrace(target, below) {
  if (!isObject(target)) throw new TypeError("Invalid argument: captureStackTrace() takes an object");
  const holder = { __proto__: null };
  apply(nativeCapture, Error, [holder, below]);
  define(target, "stack", {
    value: shown(target, holder.stack),
    writable: true,
    configurable: true,
  });
}

export function install() {
  define(Error.prototype, "stack", {
    ...nativeStack,
    get() {
      return shown(this, stackOf(this));
    },
  });
  define(Error, "captureStackTrace", {
    value: captureStackTrace,
    writable: true,
    configurable: true,
  });
  define(Error, "stackTraceLimit", {
    value: LIMIT,
    writable: true,
    enumerable: true,
    configurable: true,
  });
}
