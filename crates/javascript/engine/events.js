// `addEventListener` for the global scope: the events of Service Worker syntax,
// and those that tell of errors.

const listeners = new Map();

export function addEventListener(type, listener) {
  const known = listeners.get(type) ?? [];
  if (!known.includes(listener)) listeners.set(type, [...known, listener]);
}

export function removeEventListener(type, listener) {
  listeners.set(type, (listeners.get(type) ?? []).filter((other) => other !== listener));
}

// Whether a script in Service Worker syntax handles any event.
export function areListenedTo() {
  return listeners.size > 0;
}

export function listens(type) {
  return (listeners.get(type) ?? []).length > 0;
}

export function dispatch(event) {
  for (const listener of listeners.get(event.type) ?? []) {
    if (typeof listener === "function") listener.call(globalThis, event);
    else listener.handleEvent(event);
  }
  return !event.defaultPrevented;
}
