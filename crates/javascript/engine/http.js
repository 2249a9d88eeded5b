// `fetch` and the classes around it, as far as they differ from the engine's.

import {
  append,
  bare,
  define,
  getReader,
  headersForEach,
  isObject,
  readerCancel,
  readerRead,
  readerRelease,
  requestHeaders,
  requestUrl,
  responseBody,
  responseBodyUsed,
  responseHeaders,
  responseStatus,
  tee,
  weakAdd,
  weakGet,
  weakHas,
  weakSet,
} from "./builtins.js";
import { askHost, fetchOutside } from "./wire.js";

export function fetch(input, init) {
  return fetchOutside(input, init);
}

// Requests that were received, with all headers that one may have then.
const received = new WeakMap();

// The request of a fetch event.
export async function incomingRequest({ url, method, headers, body, cf }) {
  const init = { __proto__: null, method, headers };
  if (body) {
    init.body = responseBody(await askHost("request"));
    init.duplex = "half";
  }
  const request = new Request(url, init);
  const all = new Headers(headers);
  weakSet(received, request, all);
  // A request that is to be sent may not have them.
  define(request, "headers", { value: all });
  define(request, "cf", { value: cf });
  return request;
}

export function isRequest(value) {
  try {
    return isObject(value) && requestUrl(value) !== undefined;
  } catch {
    return false;
  }
}

export function headersOf(request) {
  return weakGet(received, request) ?? requestHeaders(request);
}

// Names and values in pairs, as the host takes them.
export function pairs(headers) {
  const all = [];
  headersForEach(headers, (value, name) => append(all, bare([name, value])));
  return bare(all);
}

// The head and the body of a response that is to be sent, whatever a Worker has
// made of its properties.
export function sendable(response) {
  if (!isResponse(response)) {
    throw new TypeError("Incorrect type for Promise: the Promise did not resolve to 'Response'.");
  }
  if (weakHas(errors, response)) {
    throw new TypeError(
      "Return value from serve handler must not be an error response (like Response.error())",
    );
  }
  const body = weakGet(rests, response) ?? response;
  if (responseBodyUsed(body)) {
    throw new TypeError("Body has already been used. It can only be used once.");
  }
  return {
    __proto__: null,
    status: responseStatus(response),
    headers: pairs(responseHeaders(response)),
    body: responseBody(body),
  };
}

function isResponse(value) {
  try {
    return isObject(value) && responseStatus(value) !== undefined;
  } catch {
    return false;
  }
}

// What is left to the responses that have been cloned: a response with their
// body.
const rests = new WeakMap();

function clone() {
  if (this.bodyUsed) throw new TypeError("Body has already been used.");
  const init = { __proto__: null, status: this.status, statusText: this.statusText, headers: this.headers };
  if (this.body === null) return new Response(null, init);
  const streams = tee(this.body);
  const rest = new Response(streams[0]);
  weakSet(rests, this, rest);
  define(this, "body", { get: () => responseBody(rest), configurable: true });
  define(this, "bodyUsed", { get: () => responseBodyUsed(rest), configurable: true });
  for (const method of ["arrayBuffer", "blob", "formData", "json", "text"]) {
    define(this, method, { value: () => rest[method](), configurable: true });
  }
  return new Response(streams[1], init);
}

const errors = new WeakSet();

function error() {
  const response = new Response(null);
  weakAdd(errors, response);
  define(response, "type", { value: "error" });
  define(response, "status", { value: 0 });
  return response;
}

function lacked(target, name, value) {
  if (!(name in target)) define(target, name, { value, writable: true, configurable: true });
}

// The chunks of a stream, which is cancelled when they are not all wanted.
async function* values({ preventCancel = false } = {}) {
  const reader = getReader(this);
  let ended = false;
  try {
    for (;;) {
      const { done, value } = await readerRead(reader);
      ended = done;
      if (done) return;
      yield value;
    }
  } finally {
    if (!ended && !preventCancel) readerCancel(reader);
    readerRelease(reader);
  }
}

// What this version of the engine lacks.
export function install() {
  lacked(Response.prototype, "clone", clone);
  lacked(ReadableStream.prototype, "values", values);
  lacked(ReadableStream.prototype, Symbol.asyncIterator, values);
  lacked(Response, "error", error);
  lacked(Headers.prototype, Symbol.toStringTag, "Headers");
}
