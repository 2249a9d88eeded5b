// Prints every field of an item.

import { LEVELS, MODELS, OUTCOMES, SOCKET_EVENTS, type EventInfo, type Item } from "./item";

type Value = string | number | boolean | null | undefined;

export function show(item: Item): void {
  showEvent(item.event);
  line("timestamp", item.eventTimestamp);
  for (const { timestamp, level, message, errorInfo } of item.logs) {
    line("log", timestamp, LEVELS.indexOf(level));
    for (const argument of message) line("message", JSON.stringify(argument));
    for (const error of errorInfo ?? []) record("error", error, ["name", "message", "stack"]);
  }
  for (const exception of item.exceptions) {
    record("exception", exception, ["timestamp", "name", "message", "stack"]);
  }
  for (const { timestamp, channel, message } of item.diagnosticsChannelEvents) {
    line("channel", timestamp, channel, JSON.stringify(message));
  }
  line("script", item.scriptName);
  line("entrypoint", item.entrypoint);
  record("version", item.scriptVersion, ["id", "tag", "message"]);
  for (const tag of item.scriptTags ?? []) line("tag", tag);
  line("namespace", item.dispatchNamespace);
  for (const [name, value] of Object.entries(item.tailAttributes ?? {})) {
    line("attribute", name, ["string", "number", "boolean"].indexOf(typeof value), value);
  }
  record("preview", item.preview, ["id", "slug", "name"]);
  line("object", item.durableObjectId);
  line("model", MODELS.indexOf(item.executionModel));
  line("outcome", OUTCOMES.indexOf(item.outcome));
  line("truncated", item.truncated);
  line("cpu", item.cpuTime);
  line("wall", item.wallTime);
  line("invocation", item.invocationId);
  line("request", item.requestId);
  line("parent", item.parentInvocationId);
  line("memory", item.peakMemory ?? 0);
  record("limit", item.exceededLimit, ["key", "value"]);
  record("dropped", item.dropped, ["logs", "exceptions", "diagnosticsChannelEvents"]);
  line("lost", item.lostItems ?? 0);
}

function showEvent(event: EventInfo | null): void {
  if (!event) {
    line("event", null);
  } else if (event.request) {
    const { url, method, headers, cf } = event.request;
    line("event", 0, url, method, JSON.stringify(cf), event.response?.status);
    for (const [name, value] of Object.entries(headers)) line("header", name, value);
  } else if (event.rpcMethod) {
    line("event", 1, event.rpcMethod);
  } else if (typeof event.scheduledTime === "number") {
    line("event", 2, event.cron, event.scheduledTime);
  } else if (event.scheduledTime) {
    line("event", 3, event.scheduledTime.getTime());
  } else if (event.queue) {
    line("event", 4, event.queue, event.batchSize);
  } else if (event.mailFrom) {
    line("event", 5, event.mailFrom, event.rcptTo, event.rawSize);
  } else if (event.consumedEvents) {
    line("event", 6);
    for (const { scriptName } of event.consumedEvents) line("consumed", scriptName);
  } else if (event.getWebSocketEvent) {
    const { webSocketEventType, code, wasClean } = event.getWebSocketEvent;
    const close = code === undefined ? [] : [code, wasClean];
    line("event", 7, SOCKET_EVENTS.indexOf(webSocketEventType), ...close);
  } else {
    line("event", 8);
  }
}

// A line with the fields of a record, or that there is none.
function record<T extends object>(name: string, value: T | null | undefined, keys: (keyof T)[]) {
  line(name, ...(value ? keys.map((key) => value[key] as Value) : [null]));
}

function line(name: string, ...values: Value[]): void {
  console.log([name, ...values.map(text)].join(" "));
}

function text(value: Value): string {
  if (typeof value === "string") return `"${value}"`;
  return value === null || value === undefined ? "-" : String(value);
}
