// What is recorded of a value that was thrown. That may be anything, objects
// that throw when they are looked at included: nothing here throws.

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

// Errors keep their names when they are cloned on Workers, others lose them.
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

// Longer messages are cut, and their stacks dropped, as workerd does.
const MESSAGE_LENGTH = 4096;

// What is told of an error whose message cannot be read.
const UNREADABLE = "(the message cannot be read)";

// What V8 tells of an object that does not tell of itself.
const SOME_OBJECT = "#<Object>";

const isException = (value) => inherits(value, DOMException.prototype);

// Records a failure that does not decide the outcome.
export function report(value) {
  host.report(failure(value));
}

// Records that the handler itself failed.
export function uncaught(value) {
  host.uncaught(failure(value));
}

export function isError(value) {
  return isNativeError(value) && !attempt(() => isException(value), false);
}

export function failure(value) {
  const told = isError(value) ? ofError(value) : ofAnything(value);
  if (told.message.length > MESSAGE_LENGTH) {
    return { ...told, message: slice(told.message, 0, MESSAGE_LENGTH), stack: undefined };
  }
  return told;
}

// What a value says that went wrong, if it is an error.
export function messageOf(value) {
  return isObject(value) ? read(value, "message") : undefined;
}

// An error as it describes itself, if it does.
export function errorInfo(error) {
  return attempt(() => {
    const { name, message, stack } = error;
    const told = { name: String(name), message: String(message) };
    return { ...told, stack: stack === undefined ? undefined : withoutHeader(String(stack), told.name, told.message) };
  }, undefined);
}

function ofError(error) {
  const name = nameOf(error);
  return named(hasOwn(NAMES, name) ? name : "Error", error);
}

// A stack keeps the line with another name than the one that is told.
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
  const told = {
    name: typeof name === "string" ? name : "Error",
    message: typeof message === "string" ? message : describe(value),
  };
  if (attempt(() => isException(value), false)) return { ...told, stack: undefined };
  return { ...told, stack: withoutHeader(read(value, "stack"), told.name, told.message) };
}

// An object in words, without running any code of its own, as V8 does.
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

// The frames of a stack that begins with `name: message`.
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

// A property, or nothing where it cannot be read.
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

// What another Worker is told of a value that was thrown: an error with a name
// that is known everywhere.
export function passedOn(value) {
  const describesItself = isNativeError(value) || attempt(() => isException(value), false);
  const message = isObject(value) && !describesItself ? describe(value) : failure(value).message;
  const name = describesItself ? nameOf(value) : "Error";
  const isKnown = hasOwn(NAMES, name) || name === "AggregateError";
  const error = new Error(isKnown || name === "" ? message : `${name}: ${message}`);
  return isKnown ? define(error, "name", { value: name, configurable: true }) : error;
}

// What only this engine has: where it says so, V8 throws a RangeError.
export function install() {
  setPrototypeOf(InternalError.prototype, RangeError.prototype);
  delete InternalError.prototype.name;
  delete InternalError.prototype.message;
  delete InternalError.prototype.constructor;
  delete globalThis.InternalError;
}
