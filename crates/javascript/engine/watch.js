// Whether an event has changed built-ins that others cannot do without.
//
// The engine's own code keeps what it needs (`builtins.js`). The packages that
// it uses do not, nor do most Workers. So that no request meets what another one
// has changed, an instance with a change gets no further event.

import { append, generators, getOwn, getPrototypeOf, ownKeys } from "./builtins.js";
import { Tracked } from "./promise.js";

const { Array, Function, JSON, Map, Object, Promise, Reflect, Set, String, Symbol } = globalThis;
const iterators = (iterable) => getPrototypeOf(iterable[Symbol.iterator]());

// What everything inherits from, or is read by code that looks up names: it
// matters, too, whether anything is added.
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

// What there was when the script had started, which may change what it likes.
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
