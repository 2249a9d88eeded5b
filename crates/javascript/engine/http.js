// `fetch`, as far as it differs from the engine's.

import { fetchOutside } from "./wire.js";

export function fetch(input, init) {
  return fetchOutside(input, init);
}
