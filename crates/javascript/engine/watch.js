// Detects whether an event has changed built-ins that other code depends on.
//
// The engine's own code keeps the built-ins that it needs (`builtins.js`). The packages
// that it uses do not, nor do most Workers. To keep the changes of one request from
// others, a changed instance handles no further events.

import { append, generators, getOwn, getPrototypeOf, ownKeys } from "./builtins.js";
import { Tracked } from "./promise.js";

const { Array, Function, JSON, Map, Object, Promise, Reflect, Set, String, Symbol } = globalThis;
const iterators = (iterable) => getPrototypeOf(iterable[Symbol.iterator]());

// Objects that everything inherits from, or whose properties are looked up by name.
// Here additions count as changes too.
const CLOSED = [Array.prototype, Function.prototype, Object.prototype, Tracked];

const WATCHED = [
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
];

// The state after the script has started, which may change what it likes.
const functions = [];
const getters = [];
const counts = [];

function know(holder) {
  const names = ownKeys(holder);
  for (let index = 0; index < names.length; index += 1) {
    const name = names[index];
    const { value, get } = getOwn(holder, name);
    if (typeof value === "function") append(functions, { holder, name, value });
    if (typeof get === "function") append(getters, { holder, name, get });
  }
  return names.length;
}

export function begin() {
  for (let index = 0; index < CLOSED.length; index += 1) append(counts, know(CLOSED[index]));
  for (let index = 0; index < WATCHED.length; index += 1) know(WATCHED[index]);
  know(globalThis);
}

export function hasChanged() {
  for (let index = 0; index < CLOSED.length; index += 1) {
    if (ownKeys(CLOSED[index]).length !== counts[index]) return true;
  }
  for (let index = 0; index < functions.length; index += 1) {
    const { holder, name, value } = functions[index];
    if (holder[name] !== value) return true;
  }
  for (let index = 0; index < getters.length; index += 1) {
    const { holder, name, get } = getters[index];
    if (getOwn(holder, name)?.get !== get) return true;
  }
  return false;
}
