// The classes of streams, as far as they differ from the engine's.

import { getReader, readerCancel, readerRead, readerRelease } from "./builtins.js";
import { lacked } from "./classes.js";

// The chunks of a stream, which is cancelled when they are not all wanted.
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

export function install() {
  lacked(ReadableStream.prototype, "values", values);
  lacked(ReadableStream.prototype, Symbol.asyncIterator, values);
}
