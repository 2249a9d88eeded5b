// Chunks of a stream of bytes.

import { inherits, isView } from "./builtins.js";

export function bytes(chunk) {
  if (inherits(chunk, Uint8Array.prototype)) return chunk;
  if (isView(chunk)) return new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  if (inherits(chunk, ArrayBuffer.prototype)) return new Uint8Array(chunk);
  throw new TypeError(
    "This TransformStream is being used as a byte stream, but received an object of non-ArrayBuffer/ArrayBufferView type on its writable side.",
  );
}
