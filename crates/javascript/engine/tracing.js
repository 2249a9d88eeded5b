// Spans that a script makes itself: `ctx.tracing`, which is also `tracing` of
// `cloudflare:workers`. If nothing records spans, the host is told nothing.

import {
  append,
  apply,
  define,
  isFinite,
  isObject,
  keys,
  mapClear,
  mapForEach,
  mapHas,
  mapSet,
  mapSize,
  setAdd,
  setDelete,
  setForEach,
  slice,
  stringify,
} from "./builtins.js";
import { currentFrame, currentInvocation, enterSpan as enterFrame } from "./context.js";
import { failure } from "./failure.js";
import { closeSpan, openSpan, spanAttributes } from "./host.js";
import { chain, promised } from "./promise.js";

// The longest text and the longest name of an attribute, of which the host may keep less.
const MAX_TEXT = 4096;
const MAX_NAME = 1024;

// The most attributes of a span.
const MAX_ATTRIBUTES = 128;

// Only the engine creates spans.
const OWN = {};

const UNTRACED = { traceId: "0".repeat(32), spanId: "0".repeat(16), traceFlags: 0 };

// What only the engine does with a span.
let idOf;
let end;
export let flush;

class Span {
  #invocation;
  // Undefined if it is not recorded.
  #id;
  #hasEnded = false;
  #attributes = new Map();
  // How many attributes it has no room for.
  #dropped = 0;
  #outcome = "ok";
  // Whether it ends only with its invocation.
  #isRoot;

  constructor(key, invocation, id, isRoot) {
    if (key !== OWN) throw new TypeError("Illegal constructor");
    this.#invocation = invocation;
    this.#id = id;
    this.#isRoot = isRoot;
  }

  static {
    idOf = (span) => span.#id;
    flush = (span) => span.#flush();
    end = (span, outcome) => span.#end(outcome);
  }

  // Sends its attributes to the host.
  #flush() {
    if (mapSize(this.#attributes) === 0) return;
    let pairs = "";
    mapForEach(this.#attributes, (value, name) => {
      pairs += `${pairs === "" ? "" : ","}[${stringify(name)},${stringify(value)}]`;
    });
    mapClear(this.#attributes);
    spanAttributes(this.#id, `[${pairs}]`, this.#dropped);
    this.#dropped = 0;
  }

  #end(outcome = this.#outcome) {
    if (!this.#isOpen()) return;
    this.#flush();
    if (!this.#isRoot) closeSpan(this.#id, outcome);
    setDelete(this.#invocation.openSpans, this);
    this.#hasEnded = true;
  }

  // Whether it is recorded and has not ended. It belongs to its own event alone.
  #isOpen() {
    if (this.#id === undefined || this.#hasEnded) return false;
    return !this.#invocation.over && currentInvocation() === this.#invocation;
  }

  get isTraced() {
    return this.#invocation?.span !== undefined;
  }

  setAttribute(name, value) {
    if (value === undefined || !this.#isOpen()) return this;
    const key = slice(`${name}`, 0, MAX_NAME);
    if (mapSize(this.#attributes) === MAX_ATTRIBUTES && !mapHas(this.#attributes, key)) {
      this.#dropped += 1;
    } else {
      mapSet(this.#attributes, key, attribute(value));
    }
    return this;
  }

  setAttributes(attributes) {
    const names = keys(attributes);
    for (let index = 0; index < names.length; index += 1) {
      this.setAttribute(names[index], attributes[names[index]]);
    }
    return this;
  }

  setStatus({ code, message }) {
    this.#outcome = code === "error" ? "exception" : "ok";
    if (code === "error") this.setAttribute("otel.status_description", message);
    return this;
  }

  recordException(exception) {
    const { name, message, stack } = failure(exception);
    this.setAttribute("exception.type", name);
    this.setAttribute("exception.message", message);
    this.setAttribute("exception.stacktrace", stack);
  }

  spanContext() {
    if (this.#id === undefined) return { ...UNTRACED };
    return { traceId: this.#invocation.span.traceId, spanId: this.#id, traceFlags: 1 };
  }

  end() {
    if (!this.#isRoot) this.#end();
  }
}

define(Span.prototype, Symbol.toStringTag, { value: "Span", configurable: true });

// Returns the value of an attribute: what JSON can hold as it is, and all else as a text.
function attribute(value) {
  if (typeof value === "boolean" || (typeof value === "number" && isFinite(value))) return value;
  return slice(`${value}`, 0, MAX_TEXT);
}

// Begins a span within the current one.
export function begin(name) {
  const invocation = currentInvocation();
  if (invocation === null || invocation.span === undefined || invocation.over) {
    return new Span(OWN, invocation, undefined, false);
  }
  const id = openSpan(currentFrame().span?.id, slice(`${name}`, 0, MAX_NAME));
  return kept(new Span(OWN, invocation, id, false), invocation);
}

// Ends a span at the end of its invocation, if nothing does it earlier.
function kept(span, invocation) {
  invocation.openSpans ??= new Set();
  setAdd(invocation.openSpans, span);
  return span;
}

// Calls a function within a span.
function inside(span, callback, args) {
  const id = idOf(span);
  if (id === undefined) return apply(callback, undefined, args);
  return enterFrame({ __proto__: null, id, span }, callback, args);
}

// Calls a function within a span, which ends with it, or with the promise that it returns.
export function throughout(span, callback, args) {
  let result;
  try {
    result = inside(span, callback, args);
  } catch (error) {
    end(span, "exception");
    throw error;
  }
  if (!isPending(result) || idOf(span) === undefined) {
    end(span);
    return result;
  }
  return chain(
    promised(result),
    (value) => {
      end(span);
      return value;
    },
    (error) => {
      end(span, "exception");
      throw error;
    },
  );
}

function before(span, args) {
  const all = [span];
  for (let index = 0; index < args.length; index += 1) append(all, args[index]);
  return all;
}

function isPending(value) {
  return isObject(value) && typeof value.then === "function";
}

// Ends all spans of the current invocation.
export function endSpans() {
  const spans = currentInvocation().openSpans;
  if (spans !== undefined) setForEach(spans, (span) => end(span, "canceled"));
}

export const tracing = {
  enterSpan(name, callback, ...args) {
    const span = begin(name);
    return throughout(span, callback, before(span, args));
  },

  startActiveSpan(name, callback, ...args) {
    const span = begin(name);
    return inside(span, callback, before(span, args));
  },

  startSpan(name) {
    return begin(name);
  },

  // Outside of any span that the script has begun, it is that of the invocation.
  getActiveSpan() {
    const invocation = currentInvocation();
    return currentFrame().span?.span ?? rootOf(invocation) ?? undefined;
  },
};

function rootOf(invocation) {
  if (invocation === null) return undefined;
  if (invocation.rootSpan === undefined) {
    const span = new Span(OWN, invocation, invocation.span?.spanId, true);
    invocation.rootSpan = invocation.span === undefined ? span : kept(span, invocation);
  }
  return invocation.rootSpan;
}
