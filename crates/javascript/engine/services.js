// Other Workers, and entrypoints of this one, to be called.

import { askHost, orThrow } from "./http.js";

// A Worker behind a service binding: `{ binding }`, or an export of this one:
// `{ export, props }`.
export class Fetcher {
  #callee;

  constructor(callee) {
    this.#callee = callee;
  }

  async fetch(input, init) {
    const request = input instanceof Request && init === undefined ? input : new Request(input, init);
    const call = {
      ...this.#callee,
      request: {
        method: request.method,
        url: request.url,
        headers: [...request.headers],
        cf: init?.cf ?? input.cf ?? undefined,
      },
    };
    return ask(call, request.body);
  }

  async scheduled({ cron = "", scheduledTime = Date.now() } = {}) {
    return this.#event({ scheduled: { cron, scheduledTime: Number(scheduledTime) } });
  }

  async queue(queue, messages) {
    const plain = messages.map(({ id, timestamp = Date.now(), attempts = 1, body = null }) => ({
      id,
      timestamp: Number(timestamp),
      attempts,
      body,
    }));
    return this.#event({ queue: { queue, messages: plain } });
  }

  async #event(event) {
    const response = await ask(this.#callee, JSON.stringify(event));
    return response.json();
  }
}

async function ask(call, body) {
  const response = await askHost("service", {
    method: "POST",
    headers: { "taffrail-call": ascii(JSON.stringify(call)) },
    body,
    duplex: "half",
  });
  return orThrow(response);
}

// Headers are ASCII.
function ascii(json) {
  return json.replace(/[\u0080-\uffff]/g, (unit) =>
    `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

// What `ctx.exports` is: each entrypoint as a Fetcher, or called with `{ props }`
// one that has these.
export function ownExports(exports) {
  const loopback = {};
  for (const name of Object.keys(exports)) {
    const withProps = (options = {}) => new Fetcher({ export: name, props: options.props ?? {} });
    const fetcher = withProps();
    loopback[name] = Object.assign(withProps, { fetch: (...args) => fetcher.fetch(...args) });
  }
  return loopback;
}
