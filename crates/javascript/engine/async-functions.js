// `async` functions and generators are plain functions here, made so by the
// bundler. Whoever looks at one sees what it was: packages ask for its prototype
// and for its constructor.

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

// What stays of the native ones are their prototypes.
const ASYNC = getPrototypeOf(evaluateText("(async function () {})"));
const ASYNC_GENERATOR = getPrototypeOf(evaluateText("(async function* () {})"));
const generators = ASYNC_GENERATOR.prototype;

// How the bundler writes such a function: it forwards its arguments.
const LOWERED = /^[^({]*\([\w$, .]*\) *(?:=> *|\{\s*return )__async(Generator)?\d*\(/;

// What functions were that somebody has asked about.
const known = new WeakMap();

// The prototype that a function had in its source.
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
  // What `prototype` of a generator is, whose objects are generators.
  const { value: maker } = getOwn(value, "constructor");
  const isOfGenerator = typeof maker === "function" && maker.prototype === value;
  return isOfGenerator && prototypeOf(maker) === ASYNC_GENERATOR ? generators : prototype;
}

// What a call of an async generator returns.
export function generator() {
  return create(generators);
}

// `new AsyncFunction("…")` would be code that the bundler has not seen.
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

// A property of all functions that is another one for those which were `async`.
// As any property of a prototype, one of a function's own takes its place.
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
