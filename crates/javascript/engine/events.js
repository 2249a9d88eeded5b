// `addEventListener` for the global scope: the events of Service Worker syntax, and
// those that report errors.

import { append, apply, eventPrevented, eventType, includes, mapGet, mapSet, mapSize } from "./builtins.js";

const { Map } = globalThis;
const listeners = new Map();

const NONE = [];

function listenersOf(type) {
  return mapGet(listeners, type) ?? NONE;
}

// Returns all listeners but one. The list is copied, so that it does not change while
// an event is dispatched.
function others(type, listener) {
  const known = listenersOf(type);
  const rest = [];
  for (let index = 0; index < known.length; index += 1) {
    if (known[index] !== listener) append(rest, known[index]);
  }
  return rest;
}

export function addEventListener(type, listener) {
  if (includes(listenersOf(type), listener)) return;
  const all = others(type, listener);
  append(all, listener);
  mapSet(listeners, type, all);
}

export function removeEventListener(type, listener) {
  mapSet(listeners, type, others(type, listener));
}

// Whether a script in Service Worker syntax has any listener.
export function areListenedTo() {
  return mapSize(listeners) > 0;
}

export function listens(type) {
  return listenersOf(type).length > 0;
}

export function dispatch(event) {
  const notified = listenersOf(eventType(event));
  for (let index = 0; index < notified.length; index += 1) {
    const listener = notified[index];
    if (typeof listener === "function") apply(listener, globalThis, [event]);
    else listener.handleEvent(event);
  }
  return !eventPrevented(event);
}
