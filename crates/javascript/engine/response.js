// The class Response, as far as it differs from the engine's.

import {
  define,
  isObject,
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
import { pairs } from "./headers.js";
import { lacked } from "./lacked.js";

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

// What this version of the engine lacks.
export function install() {
  lacked(Response.prototype, "clone", clone);
  lacked(Response, "error", error);
}
