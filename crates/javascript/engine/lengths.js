// The lengths of streams, if they are known before the end.

import { byteLength, enqueue, isInteger, transformReadable, weakGet, weakSet } from "./builtins.js";
import { bytes } from "./chunks.js";

const { BigInt, TransformStream, TypeError, WeakMap } = globalThis;

const lengths = new WeakMap();

// Records the length of a stream, as in a header, and returns the stream.
export function ofLength(stream, length) {
  if (stream !== null && length !== null) weakSet(lengths, stream, length);
  return stream;
}

// Returns the length in decimal digits, or null.
export function lengthOf(stream) {
  return weakGet(lengths, stream) ?? null;
}

// A pipe for a known number of bytes.
export class FixedLengthStream extends TransformStream {
  constructor(length) {
    const whole = counted(length);
    let left = whole;
    super({
      __proto__: null,
      transform(chunk, controller) {
        const piece = bytes(chunk);
        left -= BigInt(byteLength(piece));
        if (left < 0n) throw new TypeError("Attempt to write too many bytes through a FixedLengthStream.");
        enqueue(controller, piece);
      },
      flush() {
        if (left > 0n) throw new TypeError("FixedLengthStream did not see all expected bytes before close().");
      },
    });
    ofLength(transformReadable(this), `${whole}`);
  }
}

function counted(length) {
  const isCount = typeof length === "bigint" ? length >= 0n : isInteger(length) && length >= 0;
  if (!isCount) {
    throw new TypeError(
      "Failed to construct 'FixedLengthStream': constructor parameter 1 is not a number of bytes.",
    );
  }
  return BigInt(length);
}
