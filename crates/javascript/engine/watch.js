// Detects whether an event has changed built-ins that other code depends on.
//
// The engine's own code keeps the built-ins that it needs (`builtins.js`). The packages
// that it uses do not, nor do most Workers. To keep the changes of one request from
// others, a changed instance handles no further events.

import { bare, generators, getOwn, getPrototypeOf, ownKeys, stringify } from "./builtins.js";
import { Tracked } from "./promise.js";

const { Array, Function, JSON, Map, eval: evaluateText, Object, Promise, Reflect, Set, String, Symbol } = globalThis;
const iterators = (iterable) => getPrototypeOf(iterable[Symbol.iterator]());

// The objects that are watched. The first ones are those that everything inherits from,
// or whose properties are looked up by name: there additions count as changes too.
const HOLDERS = bare([
  Array.prototype,
  Function.prototype,
  Object.prototype,
  Tracked,
  Array,
  JSON,
  Map.prototype,
  Object,
  Promise,
  Promise.prototype,
  Reflect,
  Set.prototype,
  String.prototype,
  WeakMap.prototype,
  Headers.prototype,
  ReadableStream.prototype,
  Request.prototype,
  Response.prototype,
  TextDecoder.prototype,
  TextEncoder.prototype,
  URL.prototype,
  generators,
  iterators([]),
  iterators(new Map()),
  iterators(new Set()),
  globalThis,
]);
const CLOSED = 4;

// What is watched: properties whose values or getters are functions, and the numbers of
// all properties of objects that are closed. `holders` and `names` say where.
function known() {
  const functions = { __proto__: null, holders: bare([]), names: bare([]), values: bare([]) };
  const getters = { __proto__: null, holders: bare([]), names: bare([]), values: bare([]) };
  const counts = bare([]);
  for (let index = 0; index < HOLDERS.length; index += 1) {
    const holder = HOLDERS[index];
    const names = ownKeys(holder);
    if (index < CLOSED) counts[index] = names.length;
    for (let at = 0; at < names.length; at += 1) {
      const { value, get } = getOwn(holder, names[at]);
      if (typeof value === "function") add(functions, holder, names[at], value);
      if (typeof get === "function") add(getters, holder, names[at], get);
    }
  }
  return { __proto__: null, functions, getters, counts };
}

function add({ holders, names, values }, holder, name, value) {
  const index = names.length;
  holders[index] = holder;
  names[index] = name;
  values[index] = value;
}

// Returns a function that takes `values` and returns another one, which returns whether
// any of the properties has another value. The engine finds a property several times
// faster if its name is in the code.
function compiled({ holders, names }) {
  let variables = "";
  let checks = "";
  let count = 0;
  for (let index = 0; index < names.length; index += 1) {
    if (index === 0 || holders[index] !== holders[index - 1]) {
      count += 1;
      variables += `const holder${count} = holders[${index}];\n`;
    }
    const name = typeof names[index] === "symbol" ? `names[${index}]` : stringify(names[index]);
    checks += `if (holder${count}[${name}] !== values[${index}]) return true;\n`;
  }
  const source = `${variables}return (values) => () => {\n${checks}return false;\n};`;
  return evaluateText(`(function (holders, names) {\n${source}\n})`)(holders, names);
}

// The properties of the engine before any script, and the function compiled for them.
let usual;
let check;

// Prepares for scripts that add no functions to what is watched.
export function prepare() {
  usual = known().functions;
  check = compiled(usual);
}

function isUsual({ holders, names }) {
  if (names.length !== usual.names.length) return false;
  for (let index = 0; index < names.length; index += 1) {
    if (names[index] !== usual.names[index] || holders[index] !== usual.holders[index]) return false;
  }
  return true;
}

// The state after the script has started, which may change what it likes.
let getters;
let counts;
let areFunctionsChanged;

export function begin() {
  const now = known();
  ({ getters, counts } = now);
  const { functions } = now;
  areFunctionsChanged = (isUsual(functions) ? check : compiled(functions))(functions.values);
}

export function hasChanged() {
  if (areFunctionsChanged()) return true;
  for (let index = 0; index < CLOSED; index += 1) {
    if (ownKeys(HOLDERS[index]).length !== counts[index]) return true;
  }
  const { holders, names, values } = getters;
  for (let index = 0; index < values.length; index += 1) {
    if (getOwn(holders[index], names[index])?.get !== values[index]) return true;
  }
  return false;
}
