// The class Blob, as far as it differs from the engine's own: the content type of a
// body keeps the case of its parameters.

import { blobType, matches, weakGet, weakSet } from "./builtins.js";
import { addMembers } from "./classes.js";
import { parsed, serialized } from "./media-type.js";

const { Blob: Native, WeakMap } = globalThis;

const types = new WeakMap();

const NOT_PRINTABLE = /[^ -~]/;

// Returns the blob of a body with this content type, which may be null.
export function blobOf(bytes, contentType) {
  const blob = new Native([bytes]);
  const type = contentType === null || matches(NOT_PRINTABLE, contentType) !== null ? null : parsed(contentType);
  if (type !== null) weakSet(types, blob, serialized(type));
  return blob;
}

export function typeOf(blob) {
  return weakGet(types, blob) ?? blobType(blob);
}

export function install() {
  addMembers(Native.prototype, {
    get type() {
      return typeOf(this);
    },
  });
}
