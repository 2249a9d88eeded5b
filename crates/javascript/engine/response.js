// The class Response. The engine's class holds the status, the headers and the body;
// the rest is here.

import {
  append,
  bare,
  construct,
  contains,
  headersAppend,
  headersDelete,
  headersForEach,
  headersGet,
  headersHas,
  headersSet,
  isObject,
  matches,
  parseInteger,
  responseBody,
  responseHeaders,
  responseStatus,
  responseStatusText,
  responseUrl,
  stringify,
  urlText,
  weakGet,
  weakSet,
} from "./builtins.js";
import { begin, bodyMembers, bodyOf, divide, extracted, isUsed, OF_RESPONSE, refuseLocked, shortText, spend } from "./body.js";
import { addMembers, needsNew, replace } from "./classes.js";
import { fill, pairs, readOnly, valueOf } from "./headers.js";
import { lengthOf } from "./lengths.js";
import { isSecret, hostHeader, fromHost } from "./wire.js";

const { Response: Native, WeakMap } = globalThis;

// The properties that the engine's class does not hold, by response. A fetched response
// has an entry only once something is known about it.
const facts = new WeakMap();

const FETCHED = { __proto__: null, isFetched: true };

function factsOf(response) {
  return weakGet(facts, response) ?? FETCHED;
}

// Records the URL of a response, and whether it was redirected.
export function answerOf(response, url, redirected) {
  if (redirected || responseUrl(response) !== url) {
    weakSet(facts, response, { ...FETCHED, __proto__: null, url, redirected });
  }
  return response;
}

// Returns a received response without the headers that the host added about its body.
export function arrived(response) {
  const number = fromHost(response, "body");
  if (number === null) return response;
  const stream = responseBody(response);
  const headers = responseHeaders(response);
  const copy = new Native(stream, {
    __proto__: null,
    status: responseStatus(response),
    statusText: responseStatusText(response),
  });
  const hidden = hostHeader("body");
  headersForEach(headers, (value, name) => {
    if (name !== hidden) headersAppend(responseHeaders(copy), name, value);
  });
  weakSet(encoded, stream, {
    __proto__: null,
    number: parseInteger(number),
    encoding: headersGet(headers, "content-encoding"),
    length: headersGet(headers, "content-length"),
  });
  return copy;
}

// Bodies that arrived encoded, with their numbers and their encodings.
const encoded = new WeakMap();

function isResponse(value) {
  try {
    return isObject(value) && responseStatus(value) !== undefined;
  } catch {
    return false;
  }
}

export function headersOf(response) {
  const headers = responseHeaders(response);
  return factsOf(response).isFetched ? readOnly(headers) : headers;
}

// Returns the head and the body of a response that is to be sent, whatever a Worker has
// made of its properties. The body is a stream, a short text or null.
export function sendable(response, isHead) {
  if (!isResponse(response)) {
    throw new TypeError("Incorrect type for Promise: the Promise did not resolve to 'Response'.");
  }
  const { isError, isFetched, length, encodeBody } = factsOf(response);
  if (isError) {
    throw new TypeError(
      "Return value from serve handler must not be an error response (like Response.error())",
    );
  }
  if (isUsed(response, OF_RESPONSE)) {
    throw new TypeError("Body has already been used. It can only be used once.");
  }
  const headers = responseHeaders(response);
  const text = shortText(response);
  if (text !== undefined) spend(response, OF_RESPONSE);
  const body = text ?? bodyOf(response, OF_RESPONSE);
  if (isObject(body)) refuseLocked(body);
  const encoding = body === null ? null : headersGet(headers, "content-encoding");
  const came = encoding === null || text !== undefined ? undefined : weakGet(encoded, body);
  const isAsItCame = came !== undefined && came.encoding === encoding && encodeBody !== "manual";
  return {
    __proto__: null,
    status: responseStatus(response),
    headers:
      isHead || (isFetched && body !== null)
        ? pairs(headers)
        : framed(headers, isAsItCame ? came.length : lengthToSend(response, body, length)),
    body,
    isEncoded: encoding !== null && encodeBody !== "manual",
    number: isAsItCame ? came.number : undefined,
  };
}

// Returns the `content-length` for the client, or undefined if it is not known.
function lengthToSend(response, body, length) {
  if (body !== null) return length;
  return isBodyless(responseStatus(response)) ? null : "0";
}

// Returns pairs of names and values for the host. A `content-length` that a Worker sets
// itself is ignored.
function framed(headers, length) {
  const all = pairs(headers, "content-length");
  if (length !== null) append(all, bare(["content-length", length]));
  return all;
}

export function Response(body, init) {
  if (new.target === undefined) throw new TypeError(needsNew("Response"));
  if (init !== undefined && init !== null && !isObject(init)) {
    throw new TypeError(
      "Failed to construct 'Response': constructor parameter 2 is not of type 'InitializerDict or Response'.",
    );
  }
  return made(extracted(body), init ?? NOTHING, new.target);
}

const NOTHING = { __proto__: null };

function made({ content, type }, init, target) {
  const { headers, cf, encodeBody, webSocket } = init;
  const status = statusOf(init);
  const statusText = statusTextOf(init);
  if (content !== null && isBodyless(status)) {
    if (content !== "") throw new TypeError(BODYLESS);
    content = null;
    type = null;
  }
  if (encodeBody !== undefined && encodeBody !== "automatic" && encodeBody !== "manual") {
    throw new TypeError(`encodeBody: unexpected value: ${encodeBody}`);
  }
  if (webSocket !== undefined && webSocket !== null) {
    throw new TypeError("Taffrail does not support WebSockets: `webSocket` of a Response must be null.");
  }
  const response = construct(Native, [content, { __proto__: null, status, statusText }], target);
  const own = responseHeaders(response);
  const ownLength = headersGet(own, "content-length");
  if (ownLength !== null) headersDelete(own, "content-length");
  const length = ownLength ?? lengthOf(content);
  if (headers !== undefined) {
    headersDelete(own, "content-type");
    fill(own, headers);
  }
  if (type !== null && (headers === undefined || !headersHas(own, "content-type"))) {
    headersSet(own, "content-type", type);
  }
  weakSet(facts, response, { __proto__: null, cf, encodeBody, length });
  begin(response, content);
  return response;
}

const BODYLESS = "Response with null body status (101, 204, 205, or 304) cannot have a body.";

function isBodyless(status) {
  return status === 204 || status === 205 || status === 304;
}

function statusOf({ status }) {
  if (status === undefined) return 200;
  const number = Math.trunc(Number(status));
  if (number >= 200 && number <= 599) return number;
  throw new RangeError(
    "Responses may only be constructed with status codes in the range 200 to 599, inclusive.",
  );
}

const NEVER_IN_A_REASON = /[\0-\x08\x0a-\x1f\x7f]/;

function statusTextOf({ statusText }) {
  if (statusText === undefined) return "";
  const text = `${statusText}`;
  if (matches(NEVER_IN_A_REASON, text) !== null) throw new TypeError("Invalid statusText");
  return text;
}

function urlOf(response) {
  const url = responseUrl(response);
  return factsOf(response).url ?? (isSecret(url) ? "" : url);
}

function contentType(response) {
  return valueOf(responseHeaders(response), "content-type");
}

// Returns the length of the body in decimal digits, or null if it is not known.
function lengthOfBody(response) {
  const { isFetched, length = null } = factsOf(response);
  if (!isFetched) return length;
  const headers = responseHeaders(response);
  return headersGet(headers, "content-encoding") === null ? headersGet(headers, "content-length") : null;
}

const MEMBERS = {
  get cf() {
    return factsOf(this).cf;
  },
  get headers() {
    return headersOf(this);
  },
  get ok() {
    const status = responseStatus(this);
    return status >= 200 && status <= 299 && !factsOf(this).isError;
  },
  get redirected() {
    return factsOf(this).redirected ?? false;
  },
  get status() {
    const status = responseStatus(this);
    return factsOf(this).isError ? 0 : status;
  },
  get type() {
    return factsOf(this).isError ? "error" : "default";
  },
  get url() {
    return urlOf(this);
  },
  get webSocket() {
    return null;
  },
  clone() {
    const status = responseStatus(this);
    const body = divide(this, OF_RESPONSE);
    const init = { __proto__: null, status, statusText: responseStatusText(this) };
    const copy = new Native(isBodyless(status) ? null : body, init);
    fill(responseHeaders(copy), responseHeaders(this));
    const length = lengthOfBody(this);
    weakSet(facts, copy, { ...factsOf(this), __proto__: null, url: urlOf(this), isFetched: false, length });
    return copy;
  },
};

const STATICS = {
  error() {
    const response = new Native(null);
    weakSet(facts, response, { __proto__: null, isError: true });
    return response;
  },
  json(value, init) {
    if (arguments.length === 0) {
      throw new TypeError("Failed to execute 'json' on 'Response': parameter 1 is not of type 'Value'.");
    }
    const body = { __proto__: null, content: `${stringify(value)}`, type: "application/json" };
    return made(body, init ?? NOTHING, Response);
  },
  redirect(url, status = 302) {
    const location = address(url);
    if (!contains(" 301 302 303 307 308 ", ` ${status} `)) {
      throw new RangeError(
        `${status} is not a redirect status code. It must be one of: 301, 302, 303, 307, or 308.`,
      );
    }
    const response = made(NO_BODY, { __proto__: null, status }, Response);
    headersSet(readOnly(responseHeaders(response)), "location", location);
    return response;
  },
};

const NO_BODY = { __proto__: null, content: null, type: null };

function address(url) {
  try {
    return urlText(new URL(url));
  } catch {
    throw new TypeError(`Unable to parse URL: ${url}`);
  }
}

export function install() {
  replace(Native, Response, MEMBERS);
  addMembers(Native.prototype, bodyMembers(OF_RESPONSE, contentType, lengthOfBody));
  addMembers(Response, STATICS);
}
