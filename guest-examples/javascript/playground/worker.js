// Runs the JavaScript that it is sent, and answers with what came of it and what
// it logged.

import { WorkerEntrypoint } from "cloudflare:workers";
import { observe } from "taffrail:workers";

// Keeps what dynamic Workers log, by the id that their maker gave them.
export class Tail extends WorkerEntrypoint {
  tail(events) {
    const { id } = this.ctx.props;
    for (const { outcome, logs } of events) console.log({ id, outcome, logs: logs.length });
  }
}

export default {
  async fetch(request, env, ctx) {
    const source = await request.text();
    const id = await idOf(source);
    const worker = env.LOADER.get(id, () => ({
      mainModule: "main.js",
      modules: { "main.js": source },
      tails: [ctx.exports.Tail({ props: { id } })],
      limits: { cpuMs: 100, subRequests: 0 },
      globalOutbound: null,
    }));
    const { entrypoint, logs } = observe(worker.getEntrypoint(), { timeout: 5_000 });
    const answered = answer(entrypoint, request.url);
    const entries = [];
    for await (const entry of logs) entries.push(entry);
    return Response.json({ ...(await answered), logs: entries });
  },
};

async function answer(entrypoint, url) {
  try {
    const response = await entrypoint.fetch(url);
    return { status: response.status, body: await response.text() };
  } catch ({ name, message }) {
    return { error: `${name}: ${message}` };
  }
}

// The same source is the same Worker.
async function idOf(source) {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(source));
  const bytes = [...new Uint8Array(digest, 0, 8)];
  return bytes.map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
