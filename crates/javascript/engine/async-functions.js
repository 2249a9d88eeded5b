// The bundler turns `async` functions and generators into plain functions. This module
// restores what reflection shows of them: packages inspect their prototypes and
// constructors.

import {
  define,
  functionToString,
  getOwn,
  getPrototypeOf,
  hasOwn,
  isObject,
  matches,
  set,
  setPrototypeOf,
  uncurried,
  weakGet,
  weakSet,
} from "./builtins.js";

const { eval: evaluateText, EvalError, Function, Object, Reflect, Symbol, WeakMap } = globalThis;
const { create } = Object;
const functions = Function.prototype;
const objects = Object.prototype;

// Only the prototypes of the native ones are kept.
const ASYNC = getPrototypeOf(evaluateText("(async function () {})"));
const ASYNC_GENERATOR = getPrototypeOf(evaluateText("(async function* () {})"));
const generators = ASYNC_GENERATOR.prototype;

// The form in which the bundler writes such a function: it forwards its arguments.
const LOWERED = /^[^({]*\([\w$, .]*\) *(?:=> *|\{\s*return )__async(Generator)?\d*\(/;

// The prototypes of functions that have been inspected.
const known = new WeakMap();

// Returns the prototype that a function had in its source.
function prototypeOf(callable) {
  const seen = weakGet(known, callable);
  if (seen !== undefined) return seen;
  const match = matches(LOWERED, functionToString(callable));
  const prototype = match === null ? functions : match[1] ? ASYNC_GENERATOR : ASYNC;
  weakSet(known, callable, prototype);
  return prototype;
}

function shown(value, prototype) {
  if (prototype === functions) return typeof value === "function" ? prototypeOf(value) : prototype;
  if (prototype !== objects || !hasOwn(value, "constructor")) return prototype;
  // Whether this is the `prototype` of a generator, from which its objects inherit.
  const { value: maker } = getOwn(value, "constructor");
  const isOfGenerator = typeof maker === "function" && maker.prototype === value;
  return isOfGenerator && prototypeOf(maker) === ASYNC_GENERATOR ? generators : prototype;
}

// Creates the result of calling an async generator.
export function generator() {
  return create(generators);
}

// Code passed to `new AsyncFunction("…")` would bypass the bundler.
function replaceConstructor(name, prototype) {
  const constructor = function () {
    throw new EvalError("Code generation from strings disallowed for this context");
  };
  setPrototypeOf(constructor, Function);
  define(constructor, "name", { value: name });
  define(constructor, "prototype", { value: prototype, writable: false });
  define(constructor, Symbol.hasInstance, {
    value: (value) => typeof value === "function" && prototypeOf(value) === prototype,
  });
  define(prototype, "constructor", { value: constructor, configurable: true });
}

// Defines a property of all functions that has another value for those which were
// `async`. As with any property of a prototype, a function's own property takes
// precedence.
function defineForFunctions(name, of) {
  define(functions, name, {
    get() {
      return of(typeof this === "function" && this !== functions ? prototypeOf(this) : functions);
    },
    set(value) {
      if (isObject(this)) set(this, name, value);
    },
    configurable: true,
  });
}

function replaceGetPrototypeOf(holder) {
  const native = holder.getPrototypeOf;
  const { getPrototypeOf: value } = {
    getPrototypeOf(value) {
      return shown(value, native(value));
    },
  };
  define(holder, "getPrototypeOf", { value, writable: true, configurable: true });
}

export function install() {
  replaceGetPrototypeOf(Object);
  replaceGetPrototypeOf(Reflect);
  const { get, set: change } = getOwn(objects, "__proto__");
  const nativeGet = uncurried(get);
  define(objects, "__proto__", {
    get() {
      return isObject(this) ? shown(this, nativeGet(this)) : nativeGet(this);
    },
    set: change,
    configurable: true,
  });
  replaceConstructor("AsyncFunction", ASYNC);
  replaceConstructor("AsyncGeneratorFunction", ASYNC_GENERATOR);
  defineForFunctions("constructor", (prototype) =>
    prototype === functions ? Function : getOwn(prototype, "constructor").value,
  );
  defineForFunctions(Symbol.toStringTag, (prototype) =>
    prototype === functions ? undefined : getOwn(prototype, Symbol.toStringTag).value,
  );
}
