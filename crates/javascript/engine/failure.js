// What is recorded of a value that was thrown.

import * as exceptions from "taffrail:workers/exceptions@0.2.0";
import { frames } from "taffrail:javascript/host@0.1.0";

// Errors keep their names when they are cloned on Workers, others lose them.
const NAMES = new Set([
  "Error",
  "EvalError",
  "RangeError",
  "ReferenceError",
  "SyntaxError",
  "TypeError",
  "URIError",
]);

// Longer messages are cut, and their stacks dropped, as workerd does.
const MESSAGE_LENGTH = 4096;

const nativeStack = Object.getOwnPropertyDescriptor(Error.prototype, "stack");

// Records a failure that does not decide the outcome.
export function report(value) {
  exceptions.report(failure(value));
}

// Records that the handler itself failed.
export function uncaught(value) {
  exceptions.uncaught(failure(value));
}

export function isError(value) {
  return Error.isError(value) && !(value instanceof DOMException);
}

export function failure(value) {
  const told = isError(value) ? ofError(value) : ofAnything(value);
  if (told.message.length > MESSAGE_LENGTH) {
    return { ...told, message: told.message.slice(0, MESSAGE_LENGTH), stack: undefined };
  }
  return told;
}

function ofError(error) {
  const own = nameOf(error);
  const name = NAMES.has(own) ? own : "Error";
  const message = String(error.message);
  return { name, message, stack: withoutHeader(error.stack, name, message) };
}

function ofAnything(value) {
  if (value instanceof DOMException) {
    return { name: value.name, message: value.message, stack: undefined };
  }
  if (value === null || typeof value !== "object") {
    return { name: "Error", message: text(value), stack: undefined };
  }
  const name = typeof value.name === "string" ? value.name : "Error";
  const message = typeof value.message === "string" ? value.message : describe(value);
  return { name, message, stack: withoutHeader(value.stack, name, message) };
}

function text(value) {
  return typeof value === "function" ? Function.prototype.toString.call(value) : String(value);
}

// An object in words, without running any code of its own, as V8 does.
function describe(object) {
  if (object.toString === Object.prototype.toString && typeof object.constructor === "function") {
    const { name } = object.constructor;
    if (name !== "") return `#<${name}>`;
  }
  return Object.prototype.toString.call(object);
}

// The name an error has, in V8's terms.
export function nameOf(error) {
  if (error.name === "InternalError") return "RangeError";
  return typeof error.name === "string" ? error.name : "Error";
}

// The frames of a stack that begins with `name: message`.
export function withoutHeader(stack, name, message) {
  if (typeof stack !== "string") return undefined;
  let rest = stack;
  for (const part of [name, ": ", message, "\n"]) {
    if (rest.startsWith(part)) rest = rest.slice(part.length);
  }
  return rest === "" ? undefined : rest;
}

// Gives errors stacks as V8 writes them.
export function install() {
  Object.defineProperty(Error.prototype, "stack", {
    ...nativeStack,
    get() {
      const stack = Reflect.apply(nativeStack.get, this, []);
      if (typeof stack !== "string") return stack;
      const lines = frames(stack);
      return lines === "" ? String(this) : `${String(this)}\n${lines}`;
    },
  });
}
