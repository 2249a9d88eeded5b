// The classes of streams, as far as they differ from the engine's own.

import {
  apply,
  controllerClose,
  controllerEnqueue,
  getReader,
  isObject,
  readerCancel,
  readerRead,
  readerRelease,
} from "./builtins.js";
import { lacked } from "./classes.js";

// Iterates over the chunks of a stream. The stream is cancelled if the iteration ends
// early.
async function* values({ preventCancel = false } = {}) {
  const reader = getReader(this);
  let ended = false;
  try {
    for (;;) {
      const { done, value } = await readerRead(reader);
      ended = done;
      if (done) return;
      yield value;
    }
  } finally {
    if (!ended && !preventCancel) readerCancel(reader);
    readerRelease(reader);
  }
}

export function isIterable(value) {
  return isObject(value) && (isFunction(value[Symbol.asyncIterator]) || isFunction(value[Symbol.iterator]));
}

function isFunction(value) {
  return typeof value === "function";
}

// Returns a stream of the values of an iterable, which is read on demand.
export function from(iterable) {
  const begin = iterable[Symbol.asyncIterator] ?? iterable[Symbol.iterator];
  const iterator = apply(begin, iterable, []);
  const source = {
    __proto__: null,
    async pull(controller) {
      const { done, value } = await iterator.next();
      if (done) controllerClose(controller);
      else controllerEnqueue(controller, await value);
    },
    async cancel(reason) {
      if (isFunction(iterator.return)) await iterator.return(reason);
    },
  };
  return new ReadableStream(source, { __proto__: null, highWaterMark: 0 });
}

export function install() {
  lacked(ReadableStream, "from", from);
  lacked(ReadableStream.prototype, "values", values);
  lacked(ReadableStream.prototype, Symbol.asyncIterator, values);
}
