// `node:diagnostics_channel`: every message is recorded, with or without subscribers.

import * as host from "./host.js";
import { append, apply, mapGet, mapHas, mapSet, stringify } from "./builtins.js";
import { report } from "./failure.js";
import { chain, promised } from "./promise.js";
import { structuredClone } from "./trace-item.js";

const UNCLONEABLE = "[[ Diagnostic event was not serializable ]]";

const channels = new Map();

export class Channel {
  #subscribers = [];

  constructor(name) {
    this.name = name;
  }

  get hasSubscribers() {
    return this.#subscribers.length > 0;
  }

  // The list is copied, so that it does not change while a message is published.
  subscribe(subscriber) {
    this.#subscribers = without(this.#subscribers, undefined);
    append(this.#subscribers, subscriber);
  }

  unsubscribe(subscriber) {
    const before = this.#subscribers.length;
    this.#subscribers = without(this.#subscribers, subscriber);
    return this.#subscribers.length < before;
  }

  publish(message) {
    host.publish(String(this.name), json(message));
    const current = this.#subscribers;
    for (let index = 0; index < current.length; index += 1) {
      const subscriber = current[index];
      try {
        subscriber(message, this.name);
      } catch (error) {
        report(error);
      }
    }
  }
}

function without(subscribers, subscriber) {
  const rest = [];
  for (let index = 0; index < subscribers.length; index += 1) {
    if (subscribers[index] !== subscriber) append(rest, subscribers[index]);
  }
  return rest;
}

function json(message) {
  if (message === undefined) return undefined;
  try {
    return stringify(structuredClone(message)) ?? "null";
  } catch {
    return stringify(UNCLONEABLE);
  }
}

export function channel(name) {
  if (!mapHas(channels, name)) mapSet(channels, name, new Channel(name));
  return mapGet(channels, name);
}

export function hasSubscribers(name) {
  return channel(name).hasSubscribers;
}

export function subscribe(name, subscriber) {
  channel(name).subscribe(subscriber);
}

export function unsubscribe(name, subscriber) {
  return channel(name).unsubscribe(subscriber);
}

const PHASES = ["start", "end", "asyncStart", "asyncEnd", "error"];

export class TracingChannel {
  constructor(name) {
    for (let index = 0; index < PHASES.length; index += 1) {
      const phase = PHASES[index];
      this[phase] = typeof name === "string" ? channel(`tracing:${name}:${phase}`) : name[phase];
    }
  }

  get hasSubscribers() {
    return PHASES.some((phase) => this[phase].hasSubscribers);
  }

  subscribe(subscribers) {
    for (const [phase, subscriber] of Object.entries(subscribers)) this[phase].subscribe(subscriber);
  }

  unsubscribe(subscribers) {
    const done = Object.entries(subscribers).map(([phase, s]) => this[phase].unsubscribe(s));
    return done.every(Boolean);
  }

  traceSync(callback, context = {}, receiver, ...args) {
    this.start.publish(context);
    try {
      context.result = apply(callback, receiver, args);
      return context.result;
    } catch (error) {
      context.error = error;
      this.error.publish(context);
      throw error;
    } finally {
      this.end.publish(context);
    }
  }

  tracePromise(callback, context = {}, receiver, ...args) {
    const settled = (key, channels) => (value) => {
      context[key] = value;
      for (const phase of channels) this[phase].publish(context);
      if (key === "error") throw value;
      return value;
    };
    const promise = this.traceSync(() => promised(apply(callback, receiver, args)));
    return chain(
      promise,
      settled("result", ["asyncStart", "asyncEnd"]),
      settled("error", ["error", "asyncStart", "asyncEnd"]),
    );
  }
}

export function tracingChannel(name) {
  return new TracingChannel(name);
}
