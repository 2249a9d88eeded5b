// The events of the instance, which runs several at a time, as the host delivers them.

import { mapDelete, mapGet, mapSet, mapSize, parse, responseStatus, setPrototypeOf } from "./builtins.js";
import * as context from "./context.js";
import { uncaught } from "./failure.js";
import { handle } from "./handle.js";
import { finish, nextEvent } from "./host.js";
import { Invocation, running } from "./invocation.js";
import { promised, react } from "./promise.js";
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
  context.outside(() => react(askHost("events"), answered, uncaught));
}

// Starts the events that are waiting.
function take(worker, object) {
  while (!isLeaving) {
    const message = nextEvent();
    if (message === undefined) return;
    const { number, event, cancel } = parse(message);
    if (cancel !== undefined) {
      const invocation = mapGet(running, cancel);
      if (invocation !== undefined) over(worker, invocation, false);
    } else {
      const invocation = invocationOf(number, event);
      context.begin(invocation);
      begin(worker, invocation, event, object);
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
  // Nothing may run as part of an event that is over, so it ends in a microtask.
  const ended = () =>
    context.outside(() => react(promised(), () => over(worker, invocation, true), uncaught));
  invocation.aborted = ended;
  invocation.run(() => {
    try {
      invocation.object = object?.();
      handle(worker, invocation, event, ended);
    } catch (error) {
      // Failures of handlers are caught before this point.
      isReusable = false;
      uncaught(error);
      ended();
    }
  });
}

// Ends an event, and begins those that are waiting. The host already knows about a
// cancelled event.
function over(worker, invocation, isToTell) {
  if (mapGet(running, invocation.number) !== invocation) return;
  const isClean = invocation.end();
  mapDelete(running, invocation.number);
  // The host leaves the event too, so the current event must be announced again.
  context.finish();
  // An object continues, whatever an event leaves behind.
  if (allOver !== undefined) {
    isReusable = isReusable && isClean && !hasChanged();
  }
  if (isToTell) finish(invocation.number, isReusable);
  if (allOver === undefined || mapSize(running) > 0) return;
  if (isReusable) take(worker);
  if (mapSize(running) > 0) return;
  isLeaving = true;
  allOver(isReusable);
}
