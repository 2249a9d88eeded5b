// The class Request, as far as it differs from the engine's.

import { define, isObject, requestHeaders, requestUrl, responseBody, weakGet, weakSet } from "./builtins.js";
import { askHost } from "./wire.js";

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
