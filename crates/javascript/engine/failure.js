// How a thrown value is recorded. It may be anything, including objects that throw when
// they are inspected. No function here throws.

import * as host from "./host.js";
import {
  define,
  hasOwn,
  inherits,
  isError as isNativeError,
  isObject,
  objectPrototype,
  objectToString,
  setPrototypeOf,
  slice,
  startsWith,
} from "./builtins.js";
import { textOf } from "./function-text.js";

const { DOMException, Error, InternalError, Object, RangeError, String } = globalThis;

// Errors with these names keep them when they are cloned, as on Workers.
const NAMES = {
  __proto__: null,
  Error: true,
  EvalError: true,
  RangeError: true,
  ReferenceError: true,
  SyntaxError: true,
  TypeError: true,
  URIError: true,
};

// Longer messages are truncated, and their stacks removed, as in workerd.
const MESSAGE_LENGTH = 4096;

// Recorded if the message of an error cannot be read.
const UNREADABLE = "(the message cannot be read)";

// V8's text for an object without a description.
const SOME_OBJECT = "#<Object>";

const isException = (value) => inherits(value, DOMException.prototype);

// Records a failure that does not decide the outcome.
export function report(value) {
  host.report(failure(value));
}

// Records a failure of the handler itself.
export function uncaught(value) {
  host.uncaught(failure(value));
}

export function isError(value) {
  return isNativeError(value) && !attempt(() => isException(value), false);
}

export function failure(value) {
  const info = isError(value) ? ofError(value) : ofAnything(value);
  if (info.message.length > MESSAGE_LENGTH) {
    return { ...info, message: slice(info.message, 0, MESSAGE_LENGTH), stack: undefined };
  }
  return info;
}

// Returns the message of a value, if it is an error.
export function messageOf(value) {
  return isObject(value) ? read(value, "message") : undefined;
}

// Returns the error's own description, if it can be read.
export function errorInfo(error) {
  return attempt(() => {
    const { name, message, stack } = error;
    const info = { name: String(name), message: String(message) };
    return { ...info, stack: stack === undefined ? undefined : withoutHeader(String(stack), info.name, info.message) };
  }, undefined);
}

function ofError(error) {
  const name = nameOf(error);
  return named(hasOwn(NAMES, name) ? name : "Error", error);
}

// If the recorded name differs from the error's, the stack keeps the original first
// line.
function named(name, error) {
  const message = attempt(() => String(error.message), UNREADABLE);
  return { name, message, stack: withoutHeader(read(error, "stack"), name, message) };
}

function ofAnything(value) {
  if (!isObject(value)) return { name: "Error", message: String(value), stack: undefined };
  if (typeof value === "function") {
    const message = attempt(() => textOf(value), SOME_OBJECT);
    return { name: "Error", message, stack: undefined };
  }
  const name = read(value, "name");
  const message = read(value, "message");
  const info = {
    name: typeof name === "string" ? name : "Error",
    message: typeof message === "string" ? message : describe(value),
  };
  if (attempt(() => isException(value), false)) return { ...info, stack: undefined };
  return { ...info, stack: withoutHeader(read(value, "stack"), info.name, info.message) };
}

// Describes an object without running any of its code, as V8 does.
function describe(object) {
  return attempt(() => {
    if (object.toString === objectPrototype.toString && typeof object.constructor === "function") {
      const { name } = object.constructor;
      if (typeof name === "string" && name !== "") return `#<${name}>`;
    }
    return objectToString(object);
  }, SOME_OBJECT);
}

function nameOf(error) {
  const name = read(error, "name");
  return typeof name === "string" ? name : "Error";
}

// Returns the frames of a stack that begins with `name: message`.
function withoutHeader(stack, name, message) {
  if (typeof stack !== "string") return undefined;
  let rest = stack;
  const pass = (part) => {
    if (startsWith(rest, part)) rest = slice(rest, part.length);
  };
  pass(name);
  pass(": ");
  pass(message);
  pass("\n");
  return rest === "" ? undefined : rest;
}

// Returns a property, or undefined if it cannot be read.
function read(object, name) {
  return attempt(() => object[name], undefined);
}

function attempt(work, otherwise) {
  try {
    return work();
  } catch {
    return otherwise;
  }
}

// Returns the error that another Worker receives for a thrown value. Its name is one
// that every Worker knows.
export function passedOn(value) {
  const describesItself = isNativeError(value) || attempt(() => isException(value), false);
  const message = isObject(value) && !describesItself ? describe(value) : failure(value).message;
  const name = describesItself ? nameOf(value) : "Error";
  const isKnown = hasOwn(NAMES, name) || name === "AggregateError";
  const error = new Error(isKnown || name === "" ? message : `${name}: ${message}`);
  return isKnown ? define(error, "name", { value: name, configurable: true }) : error;
}

// V8 throws a RangeError where this engine throws its own InternalError.
export function install() {
  setPrototypeOf(InternalError.prototype, RangeError.prototype);
  delete InternalError.prototype.name;
  delete InternalError.prototype.message;
  delete InternalError.prototype.constructor;
  delete globalThis.InternalError;
}
