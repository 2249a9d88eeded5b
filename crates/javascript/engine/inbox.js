// The events that the instance runs, several at a time, as the host has them come.

import { mapDelete, mapGet, mapSet, mapSize, parse, responseStatus, setPrototypeOf } from "./builtins.js";
import * as context from "./context.js";
import { uncaught } from "./failure.js";
import { handle } from "./handle.js";
import { finish, nextEvent } from "./host.js";
import { Invocation, running } from "./invocation.js";
import { chain } from "./promise.js";
import { hasChanged } from "./watch.js";
import { askHost } from "./wire.js";

// What is told once no event runs: whether the instance can be used again.
let allOver;
let isReusable = true;

// Whether that has been told: what comes now waits for the next call.
let isLeaving = false;

// Whether the host has been asked to tell of further events.
let isAsked = false;

// Handles an event and those that come meanwhile, until none is left.
export function handleAll(worker, { number, event }) {
  return new Promise((resolve) => {
    allOver = resolve;
    isLeaving = false;
    const invocation = invocationOf(number, event);
    // The host knows whose turn it is.
    context.begin(invocation);
    begin(worker, invocation, event);
    if (!isAsked) ask(worker);
  });
}

// Handles the events of an object, each as soon as it comes, until none comes.
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
  const told = (answer) => {
    if (responseStatus(answer) !== 200) return closed();
    take(worker, object);
    ask(worker, object, closed);
  };
  context.outside(() => chain(askHost("events"), told));
}

// Begins what waits to be begun.
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
    // No handler's failure comes this far.
    isReusable = false;
    invocation.run(() => uncaught(error));
    over(invocation, true);
  };
  context.outside(() => chain(begun, () => over(invocation, true), failed));
}

// The host knows of one that is cancelled, and of the last one when it is told
// that none is left.
function over(invocation, isToTell) {
  if (mapGet(running, invocation.number) !== invocation) return;
  const isClean = invocation.end();
  mapDelete(running, invocation.number);
  // The host leaves it, too: whose turn is next is to be said anew.
  context.finish();
  // An object goes on whatever is left behind.
  if (allOver !== undefined) {
    isReusable = isReusable && isClean && !hasChanged();
    if (mapSize(running) === 0) {
      isLeaving = true;
      return allOver(isReusable);
    }
  }
  if (isToTell) finish(invocation.number, isReusable);
}
