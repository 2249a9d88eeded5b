// One invocation while it runs, and the end of everything that it began.

import * as context from "./context.js";
import { dispatch } from "./events.js";
import { report } from "./failure.js";
import { askHost } from "./http.js";

const { clearTimeout, setTimeout } = globalThis;

export class Invocation {
  // Nothing that it began goes on once this is true.
  over = false;
  // Its origin is to answer if the handler fails.
  passesThrough = false;
  // Promises that were rejected and that nobody handles, with their reasons.
  rejections = new Map();
  // What is to be called once a timer has fired or is cleared.
  timers = new Map();
  // The Durable Object that it is an event of, and its number there.
  object = undefined;
  number = undefined;
  // Requests without an answer.
  requests = new Set();
  // What becomes of a rejection of something that was given to `waitUntil`.
  backgroundFailure = report;
  #background = new Set();
  // How to reject what would hang.
  #waiting = new Set();
  // Settled once the unhandled rejections have been reported.
  #checked;

  constructor({ entrypoint, props = {}, parameters }) {
    this.parameters = parameters;
    this.entrypoint = entrypoint;
    this.props = props;
  }

  // Runs the callback as a part of the invocation.
  run(callback) {
    return context.enter(context.frameOf(this), callback, undefined, []);
  }

  // Keeps the invocation open until the promise is settled.
  waitUntil(promise, onRejected = this.backgroundFailure) {
    const settled = Promise.resolve(promise).then(
      () => this.#background.delete(settled),
      (reason) => {
        this.#background.delete(settled);
        onRejected(reason);
      },
    );
    this.#background.add(settled);
  }

  // An event of an object lasts as long as the timers that it set.
  timerBegan(timer, isOnce) {
    let ended = () => {};
    if (isOnce && this.object !== undefined) {
      this.waitUntil(new Promise((resolve) => (ended = resolve)));
    }
    this.timers.set(timer, ended);
  }

  timerEnded(timer) {
    this.timers.get(timer)?.();
    this.timers.delete(timer);
  }

  // Waits for all that was given to `waitUntil`, meanwhile too, and until it is
  // known which rejections nobody handles.
  async settled() {
    while (this.#background.size > 0 || this.rejections.size > 0) {
      await Promise.all(this.#background);
      if (this.rejections.size > 0) await this.#checked;
    }
  }

  // Notes a rejection that nobody handles so far.
  rejected(promise, reason) {
    this.rejections.set(promise, reason);
    if (this.rejections.size > 1) return;
    this.#checked = new Promise((resolve) => setTimeout(resolve, 0)).then(() =>
      this.run(() => this.#reportRejections()),
    );
  }

  // Reports the rejections that are still unhandled now that no callback is due.
  #reportRejections() {
    for (const [promise, reason] of this.rejections) {
      this.rejections.delete(promise);
      const event = new Event("unhandledrejection", { cancelable: true });
      Object.defineProperties(event, { promise: { value: promise }, reason: { value: reason } });
      dispatch(event);
      if (!event.defaultPrevented) report(reason);
    }
  }

  // The promise, or an error once nothing is left that could settle it.
  orHung(promise) {
    watchIdleness();
    return new Promise((resolve, reject) => {
      this.#waiting.add(reject);
      const settled = (settle) => (value) => {
        this.#waiting.delete(reject);
        settle(value);
      };
      promise.then(settled(resolve), settled(reject));
    });
  }

  hang() {
    for (const reject of this.#waiting) reject(new Error(HUNG));
  }

  // Ends it. False when the engine still works at something that it began.
  end() {
    this.over = true;
    for (const timer of this.timers.keys()) clearTimeout(timer);
    this.timers.clear();
    return this.requests.size === 0;
  }
}

// The wording is workerd's.
const HUNG =
  "The Workers runtime canceled this request because it detected that your Worker's code had hung and would never generate a response. Refer to: https://developers.cloudflare.com/workers/observability/errors/";

let watching = false;

// Has the host tell when the guest waits for nothing but that: it answers this
// request when it is all that the guest waits for.
function watchIdleness() {
  if (watching) return;
  watching = true;
  context.outside(() =>
    askHost("idle").then(() => {
      watching = false;
      const invocation = context.currentInvocation();
      if (invocation === null) return;
      watchIdleness();
      invocation.hang();
    }),
  );
}
