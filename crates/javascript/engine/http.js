// `fetch`, as far as it differs from the engine's.

import { isRequest, outgoing } from "./request.js";
import { fetchOutside } from "./wire.js";

export function fetch(input, init) {
  let request;
  try {
    request = isRequest(input) && init === undefined ? input : new Request(input, init);
  } catch (error) {
    return new Promise((_, reject) => reject(error));
  }
  return fetchOutside(request, outgoing(request));
}
