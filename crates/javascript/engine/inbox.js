// The events of the instance, which runs several at a time, as the host delivers them.

import { mapDelete, mapGet, mapSet, mapSize, parse, responseStatus, setPrototypeOf } from "./builtins.js";
import * as context from "./context.js";
import { uncaught } from "./failure.js";
import { handle } from "./handle.js";
import { finish, nextEvent } from "./host.js";
import { Invocation, running } from "./invocation.js";
import { chain } from "./promise.js";
import { hasChanged } from "./watch.js";
import { askHost } from "./wire.js";

// Resolves the call once no event runs, with whether the instance can be reused.
let allOver;
let isReusable = true;

// Whether the call has been resolved. Events that arrive now wait for the next call.
let isLeaving = false;

// Whether a request to the host for further events is pending.
let isAsked = false;

// Handles an event, and those that arrive in the meantime, until none is left.
export function handleAll(worker, { number, event }) {
  return new Promise((resolve) => {
    allOver = resolve;
    isLeaving = false;
    const invocation = invocationOf(number, event);
    // The host already knows which event is current.
    context.begin(invocation);
    begin(worker, invocation, event);
    if (!isAsked) ask(worker);
  });
}

// Handles the events of an object as they arrive, until there will be no more.
export function handleForever(worker, { number, event }, object) {
  return new Promise((resolve) => {
    const invocation = invocationOf(number, event);
    context.begin(invocation);
    begin(worker, invocation, event, object);
    ask(worker, object, resolve);
  });
}

function ask(worker, object, closed) {
  isAsked = true;
  const answered = (answer) => {
    if (responseStatus(answer) !== 200) return closed();
    take(worker, object);
    ask(worker, object, closed);
  };
  context.outside(() => chain(askHost("events"), answered));
}

// Starts the events that are waiting.
function take(worker, object) {
  while (!isLeaving) {
    const message = nextEvent();
    if (message === undefined) return;
    const { number, event, cancel } = parse(message);
    if (cancel !== undefined) {
      const invocation = mapGet(running, cancel);
      if (invocation !== undefined) over(invocation, false);
    } else {
      begin(worker, invocationOf(number, event), event, object);
    }
  }
}

function invocationOf(number, event) {
  const invocation = new Invocation(setPrototypeOf(event, null));
  invocation.number = number;
  mapSet(running, number, invocation);
  return invocation;
}

function begin(worker, invocation, event, object) {
  const begun = invocation.untilOver(async () => {
    invocation.object = object?.();
    await handle(worker, invocation, event);
  });
  const failed = (error) => {
    // Failures of handlers are caught before this point.
    isReusable = false;
    invocation.run(() => uncaught(error));
    over(invocation, true);
  };
  context.outside(() => chain(begun, () => over(invocation, true), failed));
}

// Ends an event. The host already knows about a cancelled event, and learns about the
// last one when the call returns.
function over(invocation, isToTell) {
  if (mapGet(running, invocation.number) !== invocation) return;
  const isClean = invocation.end();
  mapDelete(running, invocation.number);
  // The host leaves the event too, so the current event must be announced again.
  context.finish();
  // An object continues, whatever an event leaves behind.
  if (allOver !== undefined) {
    isReusable = isReusable && isClean && !hasChanged();
    if (mapSize(running) === 0) {
      isLeaving = true;
      return allOver(isReusable);
    }
  }
  if (isToTell) finish(invocation.number, isReusable);
}
