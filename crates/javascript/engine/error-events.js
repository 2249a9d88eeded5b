// The events that notify a script of unhandled errors.

import { define, eventPrevented, matches } from "./builtins.js";
import { dispatch, listens } from "./events.js";
import { failure, isError, report } from "./failure.js";

const { Event, Number, Symbol } = globalThis;

export class ErrorEvent extends Event {
  #init;

  constructor(type, { message = "", filename = "", lineno = 0, colno = 0, error, ...init } = {}) {
    super(type, init);
    this.#init = { __proto__: null, message, filename, lineno, colno, error };
  }

  get message() {
    return this.#init.message;
  }

  get filename() {
    return this.#init.filename;
  }

  get lineno() {
    return this.#init.lineno;
  }

  get colno() {
    return this.#init.colno;
  }

  get error() {
    return this.#init.error;
  }
}

export class PromiseRejectionEvent extends Event {
  constructor(type, { promise, reason, ...init }) {
    super(type, init);
    define(this, "reason", { value: reason, enumerable: true, configurable: true });
    define(this, "promise", { value: promise, enumerable: true, configurable: true });
  }
}

define(ErrorEvent.prototype, Symbol.toStringTag, { value: "ErrorEvent", configurable: true });
define(PromiseRejectionEvent.prototype, Symbol.toStringTag, {
  value: "PromiseRejectionEvent",
  configurable: true,
});

// Records an error that nothing can handle any more, and dispatches an event for it.
export function reportError(error) {
  report(error);
  if (!listens("error")) return;
  const { name, message, stack } = failure(error);
  const text = isError(error) && message !== "" ? `${name}: ${message}` : message;
  tell(new ErrorEvent("error", { __proto__: null, message: `Uncaught ${text}`, error, ...placeOf(stack) }));
}

const PLACE = /\n? +at (?:.*\()?(.*):(\d+):(\d+)\)?(?:\n|$)/;

// Returns the file, line and column of the first frame of a stack.
function placeOf(stack) {
  const place = stack === undefined ? null : matches(PLACE, stack);
  if (place === null) return {};
  const { 1: filename, 2: lineno, 3: colno } = place;
  return { __proto__: null, filename, lineno: Number(lineno), colno: Number(colno) };
}

// Dispatches the event for an unhandled rejection. Returns false if a listener calls
// `preventDefault()`.
export function isFailure(promise, reason) {
  const init = { __proto__: null, promise, reason, cancelable: true };
  const event = new PromiseRejectionEvent("unhandledrejection", init);
  tell(event);
  return !eventPrevented(event);
}

// Dispatches the event for a rejection that was handled late.
export function handledLate(promise) {
  if (!listens("rejectionhandled")) return;
  tell(new PromiseRejectionEvent("rejectionhandled", { __proto__: null, promise }));
}

function tell(event) {
  try {
    dispatch(event);
  } catch (error) {
    report(error);
  }
}
