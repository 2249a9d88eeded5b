// The class Headers, as far as it differs from the engine's.

import { append, bare, headersForEach } from "./builtins.js";
import { lacked } from "./lacked.js";

// Names and values in pairs, as the host takes them.
export function pairs(headers) {
  const all = [];
  headersForEach(headers, (value, name) => append(all, bare([name, value])));
  return bare(all);
}

export function install() {
  lacked(Headers.prototype, Symbol.toStringTag, "Headers");
}
