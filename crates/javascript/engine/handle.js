// Handles events by type.

import {
  append,
  assign,
  bare,
  encode,
  getReader,
  isObject,
  mapped,
  readerCancel,
  readerRead,
  responseStatus,
  setSize,
  stringify,
} from "./builtins.js";
import { bytes } from "./chunks.js";
import { record } from "./console.js";
import { dispatch, listens } from "./events.js";
import { messageOf, uncaught } from "./failure.js";
import { Entrypoint } from "./handlers.js";
import { fetch } from "./http.js";
import { allSettled, chain, promised, react } from "./promise.js";
import { end as endBody, forward, passThrough as passedThrough, respond, setResult, write } from "./host.js";
import { incomingRequest } from "./request.js";
import { sendable } from "./response.js";
import { serve } from "./rpc.js";
import { onTailStream } from "./tail-stream.js";
import { traceItem } from "./trace-item.js";
import { endSpans } from "./tracing.js";
import { askHost } from "./wire.js";

// The host's status if the client has disconnected.
const GONE = 410;

// How each type of event is handled, and the message that workerd logs if a script lacks
// a handler for it. `handle` calls its last argument with the result.
const EVENTS = {
  __proto__: null,
  alarm: {
    handle: asynchronous(onAlarm),
    lacking:
      "Attempted to schedule an alarm, but this Durable Object does not have an alarm() handler.",
  },
  fetch: {
    handle: onFetch,
    lacking:
      "Received a FetchEvent but we lack a handler for FetchEvents. Did you remember to export a fetch() function?",
  },
  queue: {
    handle: asynchronous(onQueue),
    lacking:
      "Received a QueueEvent but we lack a handler for QueueEvents. Did you remember to export a queue() function?",
  },
  scheduled: {
    handle: asynchronous(onScheduled),
    lacking:
      "Received a ScheduledEvent but we lack a handler for ScheduledEvents (a.k.a. Cron Triggers). Did you remember to export a scheduled() function?",
  },
  tail: {
    handle: onTail,
    lacking:
      "Attempted to send events but we lack a handler, did you remember to export a tail() function?",
  },
  tailStream: { handle: asynchronous(onTailStream) },
  session: {
    handle: asynchronous(onSession),
    // Only a connection can lack its handler.
    lacking:
      "Received a ConnectEvent but we lack a handler for ConnectEvents. Did you remember to export a connect() function?",
  },
};

// Handles an event. Calls `ended` once everything that it started has ended.
export function handle(worker, invocation, event, ended) {
  const end = (result) => {
    invocation.run(endSpans);
    if (result !== undefined) setResult(stringify(result));
    ended();
  };
  const handled = (result) => {
    // An event that hangs here has no response in which this could be reported.
    invocation.onceEnded(() => end(result));
  };
  const begin = () => EVENTS[event.type].handle(worker, invocation, event, handled);
  if (invocation.object === undefined) return begin();
  // An additional microtask would delay every other event.
  react(invocation.object.ready(), begin, (error) => {
    uncaught(error);
    ended();
  });
}

// Returns a function for `EVENTS`, given one that returns a promise of the result.
function asynchronous(handler) {
  return (worker, invocation, event, handled) =>
    react(handler(worker, invocation, event), handled, (error) => {
      uncaught(error);
      handled();
    });
}

function onFetch(worker, invocation, event, handled) {
  if (!event.body) return answer(worker, invocation, event, undefined, handled);
  react(
    askHost("request"),
    (body) => answer(worker, invocation, event, body, handled),
    (error) => {
      uncaught(error);
      handled();
    },
  );
}

// Calls the handler of a request, whose body is held by the response `body`, and sends
// its response.
function answer(worker, invocation, event, body, handled) {
  let request;
  const failed = (error) => {
    // The script has aborted the invocation, and this error only unwinds its code.
    if (invocation.over) return;
    uncaught(error);
    if (invocation.passesThrough && worker.hasOrigin) passThrough(invocation, request);
    handled();
  };
  const answered = (response) => {
    try {
      send(invocation, sendable(response, event.method === "HEAD"));
    } catch (error) {
      return failed(error);
    }
    handled();
  };
  try {
    request = incomingRequest(event, body);
    if (!worker.isEmpty) {
      const response = promised(fetchHandler(worker, invocation)(request));
      return invocation.onceSettled(response, answered, failed);
    }
  } catch (error) {
    return failed(error);
  }
  passThrough(invocation, request);
  handled();
}

// Lets the origin respond in the Worker's place.
function passThrough(invocation, request) {
  passedThrough();
  const sent = chain(fetch(request), (response) => send(invocation, sendable(response)));
  invocation.waitUntil(sent, uncaught);
}

function fetchHandler(worker, invocation) {
  const handler = new Entrypoint(worker, invocation).find("fetch");
  if (handler !== undefined) return handler;
  if (listens("fetch")) return (request) => respondWith(invocation, request);
  throw lacking("fetch");
}

// Service Worker syntax: a listener passes the response to `respondWith()`.
function respondWith(invocation, request) {
  return new Promise((resolve, reject) => {
    let answered = false;
    const event = listened(invocation, "fetch", {
      request,
      respondWith(response) {
        answered = true;
        resolve(response);
      },
      passThroughOnException: () => void (invocation.passesThrough = true),
    });
    dispatch(event);
    if (!answered) reject(new Error("No listener of the fetch event called respondWith()."));
  });
}

function listened(invocation, type, properties) {
  const event = new Event(type);
  const waitUntil = (promise) => invocation.given(promise);
  return assign(event, { waitUntil, ...properties });
}

const encoder = new TextEncoder();

// Sends a response. The invocation lasts until its body has been sent.
function send(invocation, { status, headers, body, isEncoded, number }) {
  if (number !== undefined && forward(status, headers, number)) {
    invocation.isAnswered = true;
    return;
  }
  respond(status, headers, isEncoded);
  if (isObject(body)) {
    const sent = sendStream(invocation, getReader(body));
    return invocation.waitUntil(invocation.orHung(sent), uncaught);
  }
  if (body !== null && body !== "") write(encode(encoder, body));
  endBody();
  invocation.isAnswered = true;
}

async function sendStream(invocation, reader) {
  for (;;) {
    const { done, value } = await chain(readerRead(reader), undefined, brokenOff);
    // The host breaks off a body that is not ended.
    if (done === undefined) return;
    if (done) break;
    if (write(bytes(value))) continue;
    if (responseStatus(await askHost("drained")) === GONE) return readerCancel(reader);
  }
  invocation.isAnswered = true;
  endBody();
}

// Whether a body that was received and forwarded failed on the way here. This is not a
// failure of the script.
function brokenOff(error) {
  if (messageOf(error) === "IO error reading from incoming response body") {
    return { __proto__: null };
  }
  throw error;
}

// If a handler throws, this decides the outcome. The promise that it returns is treated
// as if it was passed to `waitUntil`.
function onTail(worker, invocation, { events, raw }, handled) {
  const items = mapped(events, (event, index) => traceItem(event, raw[index]));
  const entrypoint = new Entrypoint(worker, invocation);
  const handler = entrypoint.find("tail") ?? entrypoint.find("trace");
  try {
    if (handler !== undefined) {
      invocation.waitUntil(handler(items));
    } else if (listens("tail") || listens("trace")) {
      const traces = mapped(items, (item) => item);
      dispatch(listened(invocation, "tail", { events: items, traces }));
      dispatch(listened(invocation, "trace", { events: items, traces }));
    } else {
      throw lacking("tail");
    }
  } catch (error) {
    uncaught(error);
  }
  // Tail handlers often do not await their own requests.
  if (setSize(invocation.requests) === 0) return handled();
  react(allSettled(invocation.requests), handled, uncaught);
}

async function onScheduled(worker, invocation, { cron, scheduledTime }) {
  const result = { __proto__: null, noRetry: false };
  const controller = { cron, scheduledTime, noRetry: () => void (result.noRetry = true) };
  invocation.backgroundFailure = uncaught;
  // Retrying does not help if there is no handler.
  if (!(await run(worker, invocation, "scheduled", controller))) result.noRetry = true;
  return result;
}

async function onQueue(worker, invocation, { queue, messages }) {
  const result = {
    __proto__: null,
    ackAll: false,
    retryBatch: { __proto__: null, retry: false },
    explicitAcks: bare([]),
    retryMessages: bare([]),
  };
  const batch = {
    queue,
    messages: mapped(messages, (message) => ({
      ...message,
      timestamp: new Date(message.timestamp),
      ack: () => append(result.explicitAcks, message.id),
      retry: (options) =>
        append(result.retryMessages, { __proto__: null, msgId: message.id, ...delay(options) }),
    })),
    ackAll: () => void (result.ackAll = true),
    retryAll: (options) =>
      void (result.retryBatch = { __proto__: null, retry: true, ...delay(options) }),
  };
  await run(worker, invocation, "queue", batch);
  return result;
}

function delay({ delaySeconds } = {}) {
  return delaySeconds === undefined ? {} : { delaySeconds };
}

async function onAlarm(worker, invocation, { scheduledTime, retryCount }) {
  const info = { scheduledTime, retryCount, isRetry: retryCount > 0 };
  await run(worker, invocation, "alarm", info);
}

async function onSession(worker, invocation) {
  try {
    const entrypoint = new Entrypoint(worker, invocation);
    const find = (name) => {
      const handler = entrypoint.find(name);
      if (handler === undefined) throw lacking("session", name);
      return handler;
    };
    await serve(find, entrypoint.target());
  } catch (error) {
    uncaught(error);
  }
}

// Returns false if there is no handler.
async function run(worker, invocation, type, argument) {
  const handler = new Entrypoint(worker, invocation).find(type);
  const isHandled = handler !== undefined || listens(type);
  try {
    if (!isHandled) throw lacking(type);
    if (handler === undefined) dispatch(listened(invocation, type, argument));
    else await invocation.orHung(handler(argument));
  } catch (error) {
    uncaught(error);
  }
  return isHandled;
}

// Returns the failure of an event without a handler, in workerd's words.
function lacking(type, name = type) {
  record("warn", [EVENTS[type].lacking]);
  const sentence = `Handler does not export a ${name}() function`;
  return new Error(name === "scheduled" ? sentence : `${sentence}.`);
}
