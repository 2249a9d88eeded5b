// Prints every field of an item.

const LEVELS = ["debug", "info", "log", "warn", "error"];
const MODELS = ["stateless", "durableObject", "workflow"];
const WEB_SOCKET_EVENTS = ["message", "close", "error"];

export const OUTCOMES = [
  "unknown",
  "ok",
  "exception",
  "exceededCpu",
  "killSwitch",
  "daemonDown",
  "scriptNotFound",
  "canceled",
  "exceededMemory",
  "loadShed",
  "responseStreamDisconnected",
  "internalError",
  "exceededWallTime",
  "aborted",
];

export function show(item) {
  showEvent(item.event);
  line("timestamp", item.eventTimestamp);
  for (const { timestamp, level, message, errorInfo } of item.logs) {
    line("log", timestamp, LEVELS.indexOf(level));
    for (const argument of message) line("message", JSON.stringify(argument));
    for (const error of errorInfo ?? []) {
      line("error", ...(error ? [error.name, error.message, error.stack] : [null]));
    }
  }
  for (const { timestamp, name, message, stack } of item.exceptions) {
    line("exception", timestamp, name, message, stack);
  }
  for (const { timestamp, channel, message } of item.diagnosticsChannelEvents) {
    line("channel", timestamp, channel, JSON.stringify(message));
  }
  line("script", item.scriptName);
  line("entrypoint", item.entrypoint);
  const version = item.scriptVersion;
  line("version", ...(version ? [version.id, version.tag, version.message] : [null]));
  for (const tag of item.scriptTags ?? []) line("tag", tag);
  line("namespace", item.dispatchNamespace);
  for (const [name, value] of Object.entries(item.tailAttributes ?? {})) {
    line("attribute", name, ["string", "number", "boolean"].indexOf(typeof value), value);
  }
  const preview = item.preview;
  line("preview", ...(preview ? [preview.id, preview.slug, preview.name] : [null]));
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
  const limit = item.exceededLimit;
  line("limit", ...(limit ? [limit.key, limit.value] : [null]));
  const dropped = item.dropped;
  const { logs, exceptions, diagnosticsChannelEvents } = dropped ?? {};
  line("dropped", ...(dropped ? [logs, exceptions, diagnosticsChannelEvents] : [null]));
  line("lost", item.lostItems ?? 0);
}

function showEvent(event) {
  if (!event) {
    line("event", null);
  } else if (event.request) {
    const { url, method, headers, cf } = event.request;
    line("event", 0, url, method, JSON.stringify(cf), event.response?.status);
    for (const [name, value] of Object.entries(headers)) line("header", name, value);
  } else if (event.rpcMethod) {
    line("event", 1, event.rpcMethod);
  } else if (event.cron) {
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
    line("event", 7, WEB_SOCKET_EVENTS.indexOf(webSocketEventType), ...close);
  } else {
    line("event", 8);
  }
}

function line(name, ...values) {
  console.log([name, ...values.map(text)].join(" "));
}

function text(value) {
  if (typeof value === "string") return `"${value}"`;
  return value === null || value === undefined ? "-" : String(value);
}
