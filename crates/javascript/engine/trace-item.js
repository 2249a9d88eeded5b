// The events of a tail handler.

import { define, inherits, keys } from "./builtins.js";

class TraceItem {}

class TailRequest {
  #raw;

  constructor(shown, raw) {
    this.#raw = raw;
    readOnly(this, shown);
  }

  getUnredacted() {
    return new TailRequest(this.#raw, this.#raw);
  }
}

function readOnly(object, properties) {
  const names = keys(properties);
  for (let index = 0; index < names.length; index += 1) {
    const value = properties[names[index]];
    define(object, names[index], { value, enumerable: true, configurable: true });
  }
  return object;
}

// `raw` is the request as it was received, of an item that has one.
export function traceItem(item, raw) {
  return readOnly(new TraceItem(), { ...item, event: event(item.event, raw) });
}

function event(info, raw) {
  if (info?.request) return { ...info, request: new TailRequest(info.request, raw) };
  // The time of an alarm is a `Date`, that of a cron trigger a number.
  if (typeof info?.scheduledTime === "string") {
    return { ...info, scheduledTime: new Date(info.scheduledTime) };
  }
  return info;
}

const nativeClone = globalThis.structuredClone;

export function structuredClone(value, options) {
  if (inherits(value, TraceItem.prototype)) {
    throw new DOMException(
      'Could not serialize object of type "TraceItem". This type does not support serialization.',
      "DataCloneError",
    );
  }
  return nativeClone(value, options);
}
