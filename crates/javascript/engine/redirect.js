// Redirects, followed as in the Fetch standard.

import {
  append,
  getReader,
  headersDelete,
  readerCancel,
  responseBody,
  responseHeaders,
  responseStatus,
  streamLocked,
  urlOrigin,
  urlProtocol,
  urlText,
} from "./builtins.js";
import { plainAddress } from "./address.js";
import { holdStream } from "./body.js";
import { copyOf, valueOf } from "./headers.js";
import { answerOf, arrived } from "./response.js";
import { untilAborted } from "./until-aborted.js";

const MOST = 20;

// Returns the final response to a message. `send` sends one message.
export async function follow(first, send) {
  let message = first;
  const urls = [message.url];
  for (;;) {
    const response = arrived(await send(message));
    const location = message.redirect === "manual" ? null : locationOf(response);
    if (location === null) {
      if (message.signal !== undefined) endWith(response, message.signal);
      return answerOf(response, message.url, urls.length > 1);
    }
    if (message.redirect === "error") {
      throw new TypeError(`The response of ${message.url} is a redirect, and \`redirect\` is "error".`);
    }
    if (urls.length > MOST) throw new TypeError(`Too many redirects.${listOf(urls)}`);
    discard(response);
    message = redirected(message, responseStatus(response), location);
    append(urls, message.url);
  }
}

// Lets the body of a response fail when the signal is aborted. The engine's own
// implementation leaves the isolate in a state that later ends it.
function endWith(response, signal) {
  const body = responseBody(response);
  if (body !== null) holdStream(response, untilAborted(body, signal).source);
}

// Returns the address of a redirect, or null.
function locationOf(response) {
  switch (responseStatus(response)) {
    case 301:
    case 302:
    case 303:
    case 307:
    case 308:
      return valueOf(responseHeaders(response), "location");
    default:
      return null;
  }
}

function listOf(urls) {
  let text = urls[0];
  for (let index = 1; index < urls.length; index += 1) text += `, ${urls[index]}`;
  return text;
}

function discard(response) {
  const body = responseBody(response);
  if (body !== null && !streamLocked(body)) readerCancel(getReader(body));
}

// Returns the message to send to the new address.
function redirected(message, status, location) {
  const from = new URL(message.url);
  const to = address(location, from);
  const next = { ...message, __proto__: null, url: plainAddress(urlText(to)), headers: copyOf(message.headers) };
  if (becomesGet(status, message.method)) {
    next.method = "GET";
    next.body = null;
    next.length = null;
    removeHeaders(next.headers, OF_BODIES);
  } else if (message.body !== null && !message.canBeResent) {
    throw new TypeError(ONE_TIME);
  }
  if (urlOrigin(to) !== urlOrigin(from)) removeHeaders(next.headers, OF_ORIGINS);
  return next;
}

// The wording is workerd's.
const ONE_TIME =
  "A request with a one-time-use body (it was initialized from a stream, not a buffer) encountered a redirect requiring the body to be retransmitted. To avoid this error in the future, construct this request from a buffer-like body initializer.";
const INVALID = "Invalid Location header; unable to follow redirect.";

function address(location, base) {
  let url;
  try {
    url = new URL(location, urlText(base));
  } catch {
    throw new TypeError(INVALID);
  }
  const protocol = urlProtocol(url);
  if (protocol !== "http:" && protocol !== "https:") throw new TypeError(INVALID);
  return url;
}

function becomesGet(status, method) {
  if (status === 303) return method !== "GET" && method !== "HEAD";
  return (status === 301 || status === 302) && method === "POST";
}

// The headers that describe a body, and those that are meant for a single origin.
const OF_BODIES = [
  "content-encoding",
  "content-language",
  "content-length",
  "content-location",
  "content-type",
];
const OF_ORIGINS = ["authorization", "cookie", "proxy-authorization"];

function removeHeaders(headers, names) {
  for (let index = 0; index < names.length; index += 1) headersDelete(headers, names[index]);
}
