// `taffrail:workers`: the API that Cloudflare's Workers do not have.

import { Lines } from "./lines.js";
import { chain } from "./promise.js";
import { calleeOf, fetcher } from "./services.js";
import { clearTimeout, setTimeout } from "./timers.js";
import { askHost } from "./wire.js";

let latest = 0;

// Returns an entrypoint to be called once, and the records of that call as they happen.
// `logs` yields objects with a `type`: `log` or `exception`, and at the end `outcome`,
// or `timeout` if nothing was recorded for that many milliseconds.
export function observe(entrypoint, { timeout = 30_000 } = {}) {
  const callee = calleeOf(entrypoint);
  if (callee === undefined) throw new TypeError("observe() takes an entrypoint or a service binding.");
  const live = ++latest;
  const lines = new Lines(askHost(`live/${live}`));
  const watched = (callee) => ({ __proto__: null, ...callee, live });
  const observed =
    typeof callee === "function" ? async () => watched(await callee()) : watched(callee);
  return { entrypoint: fetcher(observed), logs: entries(lines, timeout) };
}

function entries(lines, timeout) {
  let timer;
  const late = new Promise((resolve) => {
    timer = setTimeout(() => resolve('{"type":"timeout"}'), timeout);
  });
  return new ReadableStream({
    __proto__: null,
    async pull(controller) {
      const line = await first(lines.next(), late);
      if (line === undefined) return close(controller);
      // An ordinary object of the Worker's, with a prototype.
      const entry = JSON.parse(line);
      controller.enqueue(entry);
      if (entry.type === "outcome" || entry.type === "timeout") close(controller);
    },
    cancel: () => clearTimeout(timer),
  });

  function close(controller) {
    clearTimeout(timer);
    controller.close();
  }
}

// Returns a promise that settles like the first of two to settle.
function first(one, other) {
  return new Promise((resolve, reject) => {
    chain(one, resolve, reject);
    chain(other, resolve, reject);
  });
}
