// Streaming tails: a handler is called with the first event of an invocation, and what
// it returns with the others, as they happen.

import { append, apply, bare, isObject, parse } from "./builtins.js";
import { record } from "./console.js";
import { uncaught } from "./failure.js";
import { Entrypoint } from "./handlers.js";
import { Lines } from "./lines.js";
import { all, promised } from "./promise.js";
import { tailEvent } from "./tail-event.js";
import { askHost } from "./wire.js";

// The wording of the warnings is workerd's.
const MISSING =
  "A worker configured to act as a streaming tail worker does not export a tailStream() handler.";
const INVALID =
  "A worker configured to act as a streaming tail worker did not return a valid tailStream() handler.";
const UNUSABLE =
  "tailStream() handler returned an unusable value. The tailStream() handler is expected to return either a function, an object, or undefined. Received ";

// The names of methods that differ from the types of their events.
const METHODS = { __proto__: null, streamDiagnostic: "streamDiagEvent" };

// Handles the events of one invocation until it ends or the handler wants no more.
export async function onTailStream(worker, invocation) {
  try {
    const lines = new Lines(askHost("request"));
    const first = await lines.next();
    if (first === undefined) return;
    const handler = await invocation.orHung(begin(new Entrypoint(worker, invocation), read(first)));
    if (handler === undefined) lines.cancel();
    else await invocation.orHung(pass(lines, handler));
  } catch (error) {
    uncaught(error);
  }
}

function read(line) {
  const { event, raw } = parse(line);
  return tailEvent(event, raw);
}

// Calls the handler with the first event. Returns what handles the others, if anything.
async function begin(entrypoint, onset) {
  const handler = entrypoint.find("tailStream");
  if (handler === undefined) return void record("warn", [MISSING]);
  let result;
  try {
    result = handler(onset);
  } catch {
    // A failure at once only ends the stream.
    return void record("warn", [INVALID]);
  }
  const handling = await promised(result);
  if (isObject(handling)) return handling;
  if (handling !== undefined) record("warn", [UNUSABLE + typeof handling]);
  return undefined;
}

// Passes events to their handler. Those that have arrived together do not wait for each
// other, and the next ones wait for all of them.
async function pass(lines, handler) {
  for (;;) {
    let line = await lines.next();
    if (line === undefined) return;
    const results = bare([]);
    for (; line !== undefined; line = lines.arrived()) {
      append(results, promised(handle(handler, read(line))));
    }
    await all(results);
  }
}

function handle(handler, event) {
  if (typeof handler === "function") return apply(handler, handler, [event]);
  const { type } = event.event;
  const method = handler[METHODS[type] ?? type];
  return typeof method === "function" ? apply(method, handler, [event]) : undefined;
}
