// `fetch`: requests that follow the Worker's egress.

import { headersDelete, headersSet, startsWith } from "./builtins.js";
import { isHttp } from "./address.js";
import { dataResponse } from "./data-url.js";
import { copyOf, record } from "./headers.js";
import { follow } from "./redirect.js";
import { isBodyless, isRequest, outgoing } from "./request.js";
import { fetchOutside } from "./wire.js";

export function fetch(input, init) {
  const here = new Error();
  try {
    const request = isRequest(input) && init === undefined ? input : new Request(input, init);
    const message = outgoing(request);
    if (startsWith(message.url, "data:")) return Promise.resolve(dataResponse(message.url));
    if (!isHttp(message.url)) throw new TypeError(`Fetch API cannot load: ${message.url}`);
    return follow(message, (message) => send(message, here));
  } catch (error) {
    return Promise.reject(error);
  }
}

function send({ url, method, headers, body, length, signal }, here) {
  const own = framed(headers, framing(method, body, length));
  const init = { __proto__: null, method, headers: record(own), signal };
  if (body !== null) {
    init.body = body;
    init.duplex = "half";
  }
  return fetchOutside(url, init, here);
}

// Returns the `content-length` to send, or null if the length is not known.
function framing(method, body, length) {
  return body === null && !isBodyless(method) ? "0" : length;
}

// A `content-length` that a Worker sets itself is ignored.
function framed(headers, length) {
  const framed = copyOf(headers);
  headersDelete(framed, "content-length");
  if (length !== null) headersSet(framed, "content-length", length);
  return framed;
}
