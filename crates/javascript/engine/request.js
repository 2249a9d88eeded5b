// The class Request. The engine's class holds the URL, the method and the body; the
// rest is here.

import {
  construct,
  contains,
  headersGet,
  headersHas,
  headersSet,
  inherits,
  isObject,
  matches,
  requestHeaders,
  requestMethod,
  requestSignal,
  requestUrl,
  responseBody,
  signalAborted,
  toUpperCase,
  urlText,
  weakGet,
  weakSet,
} from "./builtins.js";
import { plainAddress } from "./address.js";
import { bodyMembers, bodyOf, divide, extracted, hold, holdStream, OF_REQUEST, spend, take } from "./body.js";
import { addMembers, needsNew, replace } from "./classes.js";
import { fill, Headers, received, valueOf } from "./headers.js";
import { lengthOf, ofLength } from "./lengths.js";

const { Request: Native, WeakMap } = globalThis;

// The properties that the engine's class does not hold, by request.
const facts = new WeakMap();

function factsOf(request) {
  const known = weakGet(facts, request);
  if (known === undefined) throw new TypeError("Illegal invocation: `this` is not a Request.");
  return known;
}

export function isRequest(value) {
  return isObject(value) && weakGet(facts, value) !== undefined;
}

export function headersOf(request) {
  const known = factsOf(request);
  return (known.headers ??= received(known.received));
}

export function cfOf(request) {
  return factsOf(request).cf;
}

export function bodyOfRequest(request) {
  return bodyOf(request, OF_REQUEST);
}

// Creates the request of a fetch event. `body` is a response that holds its body, if it
// has one.
export function incomingRequest({ url, method, headers, cf }, body) {
  const request = new Native(url, { __proto__: null, method });
  const known = { __proto__: null, received: headers, redirect: "manual", cf, length: null };
  weakSet(facts, request, known);
  if (body !== undefined) {
    const length = lengthIn(headers);
    ofLength(responseBody(body), length);
    known.length = length;
    hold(request, body);
  }
  return request;
}

// Prepares a request for sending. This takes its body, so it works only once.
export function outgoing(request) {
  const { redirect = "follow", signal, cf, again, length = null } = factsOf(request);
  const method = requestMethod(request);
  let body = null;
  if (again !== undefined) {
    spend(request, OF_REQUEST);
    body = again;
  } else if (!isBodyless(method)) {
    body = take(request, OF_REQUEST);
  }
  return {
    __proto__: null,
    url: plainAddress(requestUrl(request)),
    method,
    headers: headersOf(request),
    body,
    canBeResent: again !== undefined,
    length: body === null ? null : length,
    redirect,
    signal,
    cf,
  };
}

export function Request(input, init) {
  if (new.target === undefined) throw new TypeError(needsNew("Request"));
  if (arguments.length === 0) {
    throw new TypeError(
      "Failed to construct 'Request': constructor parameter 1 is not of type 'Request or string'.",
    );
  }
  if (init !== undefined && init !== null && !isObject(init)) {
    throw new TypeError(
      "Failed to construct 'Request': constructor parameter 2 is not of type 'RequestInitializerDict or Request'.",
    );
  }
  return made(input, init ?? { __proto__: null }, new.target);
}

function made(input, init, target) {
  const base = isRequest(input) ? input : undefined;
  const url = base === undefined ? address(input) : requestUrl(base);
  const method = methodOf(init, base);
  const known = { __proto__: null, headers: ownHeaders(init, base), ...optionsOf(init, base && factsOf(base)) };
  const { content, type, again, length } = contentOf(init.body, base);
  if (type !== null && !headersHas(known.headers, "content-type")) {
    headersSet(known.headers, "content-type", type);
  }
  const native = { __proto__: null, method };
  if (known.signal !== undefined) native.signal = known.signal;
  if (!isBodyless(method)) {
    native.body = content;
    native.duplex = "half";
  } else if (content !== null && (init.body !== undefined || !isBodyless(requestMethod(base)))) {
    throw new TypeError("Request with a GET or HEAD method cannot have a body.");
  }
  const request = construct(Native, [url, native], target);
  known.again = again;
  known.length =
    again === undefined ? length : (length ?? headersGet(requestHeaders(request), "content-length"));
  weakSet(facts, request, known);
  // A client may send a body with these methods all the same.
  if (content !== null && isBodyless(method)) holdStream(request, content);
  return request;
}

function address(input) {
  const text = `${input}`;
  try {
    return urlText(new URL(text));
  } catch {
    throw new TypeError(`Invalid URL: ${text}`);
  }
}

// Returns the length that these header pairs announce, or null.
function lengthIn(headers) {
  for (let index = 0; index < headers.length; index += 1) {
    if (headers[index][0] === "content-length") return headers[index][1];
  }
  return null;
}

// The methods that workerd supports.
const METHODS =
  " ACL BAN CHECKOUT COPY DELETE GET HEAD LOCK MERGE MKACTIVITY MKCOL MOVE MSEARCH NOTIFY OPTIONS PATCH POST PROPFIND PROPPATCH PURGE PUT QUERY REPORT SEARCH SUBSCRIBE TRACE UNLOCK UNSUBSCRIBE ";
const LETTERS = /^[A-Z]+$/;

function methodOf({ method }, base) {
  if (method === undefined) return base === undefined ? "GET" : requestMethod(base);
  const name = toUpperCase(`${method}`);
  if (matches(LETTERS, name) === null || !contains(METHODS, ` ${name} `)) {
    throw new TypeError(`Invalid HTTP method string: ${method}`);
  }
  return name;
}

export function isBodyless(method) {
  return method === "GET" || method === "HEAD";
}

function ownHeaders({ headers }, base) {
  const own = new Headers();
  if (headers !== undefined) fill(own, headers);
  else if (base !== undefined) fill(own, headersOf(base));
  return own;
}

// Returns a body in a form that the engine accepts, with its default content type. If
// they are known, also returns the content from which it can be recreated, and its
// length.
function contentOf(body, base) {
  if (body !== undefined || base === undefined) {
    const own = extracted(body);
    const isStream = inherits(own.content, ReadableStream.prototype);
    const again = isStream || own.content === null ? undefined : own.content;
    return { __proto__: null, ...own, again, length: isStream ? lengthOf(own.content) : null };
  }
  const { again, length } = factsOf(base);
  return { __proto__: null, content: take(base, OF_REQUEST), type: null, again, length };
}

// Returns the other options, with those of the request that this one is made from as
// defaults.
function optionsOf(init, base = { __proto__: null }) {
  const { cache, cf = base.cf, integrity = base.integrity, redirect = base.redirect, signal } = init;
  if (redirect !== undefined && !contains(" follow manual error ", ` ${redirect} `)) {
    throw new TypeError(`Invalid redirect value, must be one of "follow", "manual" or "error": ${redirect}`);
  }
  if (cache !== undefined && cache !== "no-store" && cache !== "no-cache") {
    throw new TypeError(`Unsupported cache mode: ${cache}`);
  }
  return {
    __proto__: null,
    cache: cache ?? base.cache,
    cf,
    integrity: integrity === undefined ? undefined : `${integrity}`,
    redirect: redirect === undefined ? undefined : `${redirect}`,
    signal: signal === undefined ? base.signal : signalOf(signal),
  };
}

function signalOf(signal) {
  if (signal === null) return undefined;
  try {
    signalAborted(signal);
  } catch {
    throw new TypeError(
      "Incorrect type for the 'signal' field on 'RequestInitializerDict': the provided value is not of type 'AbortSignal'.",
    );
  }
  return signal;
}

function contentType(request) {
  return valueOf(headersOf(request), "content-type");
}

// Returns the length of the body in decimal digits, or null if it is not known.
function lengthOfBody(request) {
  return factsOf(request).length ?? null;
}

const MEMBERS = {
  get headers() {
    return headersOf(this);
  },
  get redirect() {
    return factsOf(this).redirect ?? "follow";
  },
  get signal() {
    return factsOf(this).signal ?? requestSignal(this);
  },
  get cf() {
    return cfOf(this);
  },
  get integrity() {
    return factsOf(this).integrity ?? "";
  },
  get keepalive() {
    return false;
  },
  get cache() {
    return factsOf(this).cache;
  },
  clone() {
    const known = factsOf(this);
    const stream = divide(this, OF_REQUEST);
    const copy = new Native(requestUrl(this), { __proto__: null, method: requestMethod(this) });
    const headers = new Headers();
    fill(headers, headersOf(this));
    weakSet(facts, copy, { ...known, __proto__: null, headers });
    if (stream !== null) holdStream(copy, stream);
    return copy;
  },
};

export function install() {
  replace(Native, Request, MEMBERS);
  addMembers(Native.prototype, bodyMembers(OF_REQUEST, contentType, lengthOfBody));
}
