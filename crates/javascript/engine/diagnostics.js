// `node:diagnostics_channel`: every message is recorded, subscriber or not.

import * as host from "taffrail:workers/diagnostics-channel@0.2.0";
import { report } from "./failure.js";
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

  subscribe(subscriber) {
    this.#subscribers = [...this.#subscribers, subscriber];
  }

  unsubscribe(subscriber) {
    const before = this.#subscribers.length;
    this.#subscribers = this.#subscribers.filter((other) => other !== subscriber);
    return this.#subscribers.length < before;
  }

  publish(message) {
    host.publish(String(this.name), json(message));
    for (const subscriber of this.#subscribers) {
      try {
        subscriber(message, this.name);
      } catch (error) {
        report(error);
      }
    }
  }
}

function json(message) {
  if (message === undefined) return undefined;
  try {
    return JSON.stringify(structuredClone(message)) ?? "null";
  } catch {
    return JSON.stringify(UNCLONEABLE);
  }
}

export function channel(name) {
  if (!channels.has(name)) channels.set(name, new Channel(name));
  return channels.get(name);
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
    for (const phase of PHASES) {
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
      context.result = Reflect.apply(callback, receiver, args);
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
    const promise = this.traceSync(() => Promise.resolve(Reflect.apply(callback, receiver, args)));
    return promise.then(
      settled("result", ["asyncStart", "asyncEnd"]),
      settled("error", ["error", "asyncStart", "asyncEnd"]),
    );
  }
}

export function tracingChannel(name) {
  return new TracingChannel(name);
}
