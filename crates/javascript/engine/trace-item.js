// The events of a tail handler: objects of workerd's classes, with its properties in
// its order. They can be read and printed, but not cloned.

import { construct, define, getPrototypeOf, hasOwn, inherits, isArray, isObject, keys, mapForEach, mapped, objectPrototype, setAdd, setForEach, setHas, setPrototypeOf, show, weakGet, weakSet } from "./builtins.js";

// Returns a class whose objects a script receives but cannot create.
function classOf(name) {
  const classes = {
    [name]: class {
      constructor() {
        throw new TypeError("Illegal constructor");
      }
    },
  };
  define(classes[name].prototype, Symbol.toStringTag, { value: name, configurable: true });
  return classes[name];
}

const TraceItem = classOf("TraceItem");
const TraceLog = classOf("TraceLog");
const TraceException = classOf("TraceException");
const TraceDiagnosticChannelEvent = classOf("TraceDiagnosticChannelEvent");
const TailRequest = classOf("Request");
const TailResponse = classOf("Response");
const TailItem = classOf("TailItem");

// The classes of events, each with the properties that distinguish it from those below
// it. A connection has none.
const EVENTS = [
  [classOf("FetchEventInfo"), ["request", "response"]],
  [classOf("JsRpcEventInfo"), ["rpcMethod"]],
  [classOf("ScheduledEventInfo"), ["cron", "scheduledTime"]],
  [classOf("AlarmEventInfo"), ["scheduledTime"]],
  [classOf("QueueEventInfo"), ["batchSize", "queue"]],
  [classOf("EmailEventInfo"), ["rawSize", "rcptTo", "mailFrom"]],
  [classOf("TailEventInfo"), ["consumedEvents"]],
  [classOf("HibernatableWebSocketEventInfo"), ["getWebSocketEvent"]],
];
const ConnectEventInfo = classOf("ConnectEventInfo");

// What can happen on a hibernatable WebSocket, by its type.
const WEB_SOCKET_EVENTS = {
  __proto__: null,
  message: [classOf("Message"), ["webSocketEventType"]],
  close: [classOf("Close"), ["wasClean", "code", "webSocketEventType"]],
  error: [classOf("Error"), ["webSocketEventType"]],
};

const ITEM = [
  "wallTime",
  "cpuTime",
  "truncated",
  "executionModel",
  "outcome",
  "durableObjectId",
  "preview",
  "tailAttributes",
  "scriptTags",
  "dispatchNamespace",
  "scriptVersion",
  "entrypoint",
  "scriptName",
  "diagnosticsChannelEvents",
  "exceptions",
  "logs",
  "eventTimestamp",
  "event",
];
const LOG = ["errorInfo", "message", "level", "timestamp"];
const EXCEPTION = ["stack", "name", "message", "timestamp"];
const DIAGNOSTIC = ["message", "channel", "timestamp"];
const REQUEST = ["url", "method", "headers", "cf"];

// The class of each object that is created here, by name.
const classes = new WeakMap();

// The unredacted requests, by the redacted request that the handler sees.
const received = new WeakMap();

// Whether any such object exists.
let areThereAny = false;

// Creates an object of a class. It is a WeakMap with another prototype, so that it
// cannot be cloned, wherever it is nested.
function made(Class, names, values) {
  const object = construct(WeakMap, [], Class);
  weakSet(classes, object, Class.name);
  const own = setPrototypeOf(values, null);
  for (let index = 0; index < names.length; index += 1) show(object, names[index], own[names[index]]);
  return object;
}

// `raw` is the unredacted request, if the item has one.
export function traceItem(fields, raw) {
  areThereAny = true;
  const item = made(TraceItem, ITEM, {
    ...fields,
    diagnosticsChannelEvents: all(TraceDiagnosticChannelEvent, DIAGNOSTIC, fields.diagnosticsChannelEvents),
    exceptions: all(TraceException, EXCEPTION, fields.exceptions),
    logs: all(TraceLog, LOG, fields.logs),
    event: event(fields.event, raw),
  });
  // Fields that workerd does not have.
  const names = keys(fields);
  for (let index = 0; index < names.length; index += 1) {
    if (!hasOwn(item, names[index])) show(item, names[index], fields[names[index]]);
  }
  return item;
}

function all(Class, names, entries) {
  return mapped(entries, (entry) => made(Class, names, entry));
}

function event(fields, raw) {
  if (fields === null) return null;
  const info = { __proto__: null, ...fields };
  for (let index = 0; index < EVENTS.length; index += 1) {
    const { 0: Class, 1: names } = EVENTS[index];
    if (hasOwn(info, names[0])) return made(Class, names, { ...info, ...parts(info, raw) });
  }
  return made(ConnectEventInfo, [], info);
}

// Returns the parts of an event that need more than JSON.
function parts({ request, response, consumedEvents, getWebSocketEvent, scheduledTime }, raw) {
  if (request !== undefined) {
    return {
      request: requestOf(request, raw),
      response: response === undefined ? undefined : made(TailResponse, ["status"], response),
    };
  }
  if (consumedEvents !== undefined) {
    return { consumedEvents: all(TailItem, ["scriptName"], consumedEvents) };
  }
  if (getWebSocketEvent !== undefined) {
    const { 0: Class, 1: names } = WEB_SOCKET_EVENTS[getWebSocketEvent.webSocketEventType];
    return { getWebSocketEvent: made(Class, names, getWebSocketEvent) };
  }
  // The time of an alarm is a `Date`, but that of a cron trigger is a number.
  return typeof scheduledTime === "string" ? { scheduledTime: new Date(scheduledTime) } : {};
}

function requestOf(shown, raw) {
  const request = made(TailRequest, REQUEST, shown);
  weakSet(received, request, raw);
  return request;
}

function getUnredacted() {
  const raw = isObject(this) ? weakGet(received, this) : undefined;
  if (raw === undefined) throw new TypeError(ILLEGAL_INVOCATION);
  return requestOf(raw, raw);
}

define(TailRequest.prototype, "getUnredacted", {
  value: getUnredacted,
  writable: true,
  enumerable: true,
  configurable: true,
});

const ILLEGAL_INVOCATION =
  "Illegal invocation: function called with incorrect `this` reference. See https://developers.cloudflare.com/workers/observability/errors/#illegal-invocation-errors for details.";

// Throws if a value is, or contains, an object that was created here.
export function refuseTraceItems(value) {
  const name = areThereAny ? classIn(value, new Set()) : undefined;
  if (name !== undefined) {
    throw new DOMException(
      `Could not serialize object of type "${name}". This type does not support serialization.`,
      "DataCloneError",
    );
  }
}

// Returns the class of the first such object that a clone would contain.
function classIn(value, seen) {
  if (!isObject(value) || setHas(seen, value)) return undefined;
  setAdd(seen, value);
  const own = weakGet(classes, value);
  if (own !== undefined) return own;
  let found;
  const look = (part) => (found ??= classIn(part, seen));
  if (inherits(value, Map.prototype)) {
    mapForEach(value, (part, key) => look(key) ?? look(part));
  } else if (inherits(value, Set.prototype)) {
    setForEach(value, look);
  } else if (isArray(value) || isPlain(value)) {
    const names = keys(value);
    for (let index = 0; index < names.length && found === undefined; index += 1) {
      look(value[names[index]]);
    }
  }
  return found;
}

function isPlain(value) {
  const prototype = getPrototypeOf(value);
  return prototype === objectPrototype || prototype === null;
}

const nativeClone = globalThis.structuredClone;

export function structuredClone(value, options) {
  try {
    return nativeClone(value, options);
  } catch (error) {
    refuseTraceItems(value);
    throw error;
  }
}
