// The events of a tail handler.

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
  for (const [name, value] of Object.entries(properties)) {
    Object.defineProperty(object, name, { value, enumerable: true, configurable: true });
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
  if (value instanceof TraceItem) {
    throw new DOMException(
      'Could not serialize object of type "TraceItem". This type does not support serialization.',
      "DataCloneError",
    );
  }
  return nativeClone(value, options);
}
