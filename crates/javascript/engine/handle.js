// What happens for each type of event.

import { dispatch, listens } from "./events.js";
import { uncaught } from "./failure.js";
import { Entrypoint, lacking } from "./handlers.js";
import { askHost, fetch, incomingRequest, isErrorResponse } from "./http.js";
import { end, passThrough as passedThrough, respond, settle, write } from "taffrail:javascript/host@0.1.0";
import { serve } from "./rpc.js";
import { traceItem } from "./trace-item.js";

// Nobody reads the body any more.
const GONE = 410;

const HANDLERS = {
  alarm: onAlarm,
  fetch: onFetch,
  queue: onQueue,
  scheduled: onScheduled,
  session: onSession,
  tail: onTail,
};

export async function handle(worker, invocation, event) {
  // A turn more would cost every other event, too.
  if (invocation.object !== undefined && !(await isReady(invocation.object))) return;
  const wishes = await HANDLERS[event.type](worker, invocation, event);
  await invocation.orHung(invocation.settled()).catch(() => {});
  if (wishes !== undefined) settle(JSON.stringify(wishes));
}

async function isReady(object) {
  try {
    await object.ready();
    return true;
  } catch (error) {
    uncaught(error);
    return false;
  }
}

async function onFetch(worker, invocation, event) {
  let request;
  try {
    request = await incomingRequest(event);
    if (worker.isEmpty) return passThrough(invocation, request);
    const response = await invocation.orHung(answer(worker, invocation, request));
    invocation.waitUntil(invocation.orHung(send(response)), uncaught);
  } catch (error) {
    uncaught(error);
    if (invocation.passesThrough && worker.hasOrigin) passThrough(invocation, request);
  }
}

// Has the origin answer in the Worker's place.
function passThrough(invocation, request) {
  passedThrough();
  invocation.waitUntil(fetch(request).then(send), uncaught);
}

async function answer(worker, invocation, request) {
  const response = await fetchHandler(worker, invocation)(request);
  if (!(response instanceof Response)) {
    throw new TypeError("Incorrect type for Promise: the Promise did not resolve to 'Response'.");
  }
  if (isErrorResponse(response)) {
    throw new TypeError(
      "Return value from serve handler must not be an error response (like Response.error())",
    );
  }
  if (response.bodyUsed) {
    throw new TypeError("Body has already been used. It can only be used once.");
  }
  return response;
}

function fetchHandler(worker, invocation) {
  const handler = new Entrypoint(worker, invocation).find("fetch");
  if (handler !== undefined) return handler;
  if (listens("fetch")) return (request) => respondWith(invocation, request);
  throw lacking("fetch");
}

// Service Worker syntax: the response is what a listener says that it is.
function respondWith(invocation, request) {
  return new Promise((resolve, reject) => {
    let answered = false;
    const event = listened(invocation, "fetch", {
      request,
      respondWith(response) {
        answered = true;
        Promise.resolve(response).then(resolve, reject);
      },
      passThroughOnException: () => void (invocation.passesThrough = true),
    });
    dispatch(event);
    if (!answered) reject(new Error("No listener of the fetch event called respondWith()."));
  });
}

function listened(invocation, type, properties) {
  const event = new Event(type);
  const waitUntil = (promise) => invocation.waitUntil(promise);
  return Object.assign(event, { waitUntil, ...properties });
}

async function send(response) {
  respond(response.status, [...response.headers]);
  const reader = response.body?.getReader();
  while (reader !== undefined) {
    const { done, value } = await reader.read().catch(brokenOff);
    // The host breaks off what does not end here.
    if (done === undefined) return;
    if (done) break;
    if (write(bytes(value))) continue;
    const { status } = await askHost("drained");
    if (status === GONE) return reader.cancel();
  }
  end();
}

// A body that was received and passed on has failed on its way here, which is
// no failure of the script.
function brokenOff(error) {
  if (error?.message === "IO error reading from incoming response body") return {};
  throw error;
}

function bytes(chunk) {
  if (chunk instanceof Uint8Array) return chunk;
  if (ArrayBuffer.isView(chunk)) {
    return new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  }
  if (chunk instanceof ArrayBuffer) return new Uint8Array(chunk);
  throw new TypeError(
    "This TransformStream is being used as a byte stream, but received an object of non-ArrayBuffer/ArrayBufferView type on its writable side.",
  );
}

// A handler that throws decides the outcome; the promise that it returns is as
// good as given to `waitUntil`.
async function onTail(worker, invocation, { events, raw }) {
  const items = events.map((event, index) => traceItem(event, raw[index]));
  const handler = new Entrypoint(worker, invocation).find("tail", "trace");
  try {
    if (handler !== undefined) {
      invocation.waitUntil(handler(items));
    } else if (listens("tail") || listens("trace")) {
      for (const type of ["tail", "trace"]) {
        dispatch(listened(invocation, type, { events: items, traces: [...items] }));
      }
    } else {
      throw lacking("tail");
    }
  } catch (error) {
    uncaught(error);
  }
  // Tail handlers tend not to wait for what they send.
  await Promise.allSettled(invocation.requests);
}

// What these two return may still change until the invocation ends.
async function onScheduled(worker, invocation, { cron, scheduledTime }) {
  const wishes = { noRetry: false };
  const controller = { cron, scheduledTime, noRetry: () => void (wishes.noRetry = true) };
  invocation.backgroundFailure = uncaught;
  await run(worker, invocation, "scheduled", controller);
  return wishes;
}

async function onQueue(worker, invocation, { queue, messages }) {
  const wishes = {
    ackAll: false,
    retryBatch: { retry: false },
    explicitAcks: [],
    retryMessages: [],
  };
  const batch = {
    queue,
    messages: messages.map((message) => ({
      ...message,
      timestamp: new Date(message.timestamp),
      ack: () => void wishes.explicitAcks.push(message.id),
      retry: (options) => void wishes.retryMessages.push({ msgId: message.id, ...delay(options) }),
    })),
    ackAll: () => void (wishes.ackAll = true),
    retryAll: (options) => void (wishes.retryBatch = { retry: true, ...delay(options) }),
  };
  await run(worker, invocation, "queue", batch);
  return wishes;
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
      if (handler === undefined) throw lacking(name);
      return handler;
    };
    await serve(find, entrypoint.target());
  } catch (error) {
    uncaught(error);
  }
}

async function run(worker, invocation, type, argument) {
  const handler = new Entrypoint(worker, invocation).find(type);
  try {
    if (handler !== undefined) {
      await invocation.orHung(handler(argument));
    } else if (listens(type)) {
      dispatch(listened(invocation, type, argument));
    } else {
      throw lacking(type);
    }
  } catch (error) {
    uncaught(error);
  }
}
