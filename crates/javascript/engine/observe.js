// `taffrail:workers`: what Cloudflare's Workers do not have.

import { Lines } from "./lines.js";
import { chain } from "./promise.js";
import { calleeOf, fetcher } from "./services.js";
import { clearTimeout, setTimeout } from "./timers.js";
import { askHost } from "./wire.js";

let latest = 0;

// An entrypoint to be called once, and what the call records, as it happens:
// `logs` are objects with a `type`, `log` or `exception`, and last `outcome`, or
// `timeout` after so many milliseconds.
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
      // An object of the Worker's, as any that it makes.
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

// What the first of two promises to be settled is settled with.
function first(one, other) {
  return new Promise((resolve, reject) => {
    chain(one, resolve, reject);
    chain(other, resolve, reject);
  });
}
