// One running invocation, and the end of everything that it started.

import { bare, isObject, mapClear, mapDelete, mapForEach, mapGet, mapSet, mapSize, setAdd, setDelete, setForEach, setSize } from "./builtins.js";
import * as context from "./context.js";
import { isFailure } from "./error-events.js";
import { report, uncaught } from "./failure.js";
import { promised, react, wasReported } from "./promise.js";
import { askHost } from "./wire.js";

const { clearTimeout, setTimeout } = globalThis;

// The running invocations, by number.
export const running = new Map();

export class Invocation {
  // Once this is true, nothing that it started continues.
  over = false;
  // Whether its origin responds if the handler fails.
  passesThrough = false;
  // Rejected promises without a handler, with the reasons, once there are any.
  #rejections;
  // Functions to call once a timer has fired or is cleared.
  timers = new Map();
  // The Durable Object that handles it, and its number in the instance.
  object = undefined;
  number = undefined;
  // Requests without a response.
  requests = new Set();
  // The span in which the host takes it to work, or undefined for its own.
  entered = undefined;
  // The spans that its script has begun and not ended, once there are any.
  openSpans = undefined;
  // Its own span as the script sees it, once it has asked for it.
  rootSpan = undefined;
  // Whether its response is complete.
  isAnswered = false;
  // Ends the wait for its end.
  aborted = () => {};
  // The number of pending promises that the script passed to `waitUntil`.
  #given = 0;
  // Called for a rejection of a promise that was passed to `waitUntil`.
  backgroundFailure = report;
  // The number of pending background promises, and the callback for when there are
  // none.
  #background = 0;
  #backgroundOver = () => {};
  // Functions that are called with an error in place of promises that would hang.
  #waiting = new Set();
  // Called once the unhandled rejections have been reported.
  #rejectionsReported = () => {};
  // The number of callbacks that promises have yet to call (`promise.js`).
  callbacks = 0;

  constructor({ entrypoint, props = {}, parameters, span }) {
    // Its own span, if spans are recorded: `{ traceId, spanId, callerSpanId }`.
    this.span = span;
    this.parameters = parameters;
    this.entrypoint = entrypoint;
    this.props = props;
  }

  // Runs a callback as part of the invocation.
  run(callback) {
    return context.enter(context.frameOf(this), callback, undefined, []);
  }

  // Ends it at once, with a reason, which the waiter for its response receives.
  abort(reason) {
    this.run(() => {
      if (!this.isAnswered) uncaught(reason);
      if (this.#given > 0) this.backgroundFailure(reason);
    });
    this.over = true;
    this.aborted();
  }

  // Keeps the invocation open for a promise from the script.
  given(promise) {
    this.#given += 1;
    const over = () => (this.#given -= 1);
    this.waitUntil(promise);
    react(promised(promise), over, over);
  }

  // Keeps the invocation open until the promise is settled.
  waitUntil(promise, onRejected = this.backgroundFailure) {
    if (!isObject(promise)) return;
    this.#background += 1;
    const over = () => {
      this.#background -= 1;
      if (this.#background === 0) this.#backgroundOver();
    };
    react(promised(promise), over, (reason) => {
      onRejected(reason);
      over();
    });
  }

  // An event of an object lasts as long as the timers that it waits for.
  timerBegan(timer, isWaitedFor) {
    let ended = () => {};
    if (isWaitedFor && this.object !== undefined) {
      this.waitUntil(new Promise((resolve) => (ended = resolve)));
    }
    mapSet(this.timers, timer, ended);
  }

  timerEnded(timer) {
    mapGet(this.timers, timer)?.();
    mapDelete(this.timers, timer);
  }

  #hasRejections() {
    return this.#rejections !== undefined && mapSize(this.#rejections) > 0;
  }

  // Calls back once everything that was passed to `waitUntil`, including later calls, is
  // settled and all unhandled rejections are known, or once the wait would be forever.
  onceEnded(callback) {
    const ended = () => {
      if (setDelete(this.#waiting, ended)) callback();
    };
    watchIdleness();
    setAdd(this.#waiting, ended);
    this.#awaitEnd(ended);
  }

  #awaitEnd(ended, areCallbacksRun = this.callbacks === 0) {
    if (this.#background > 0) {
      this.#backgroundOver = () => this.#awaitEnd(ended);
    } else if (this.#hasRejections()) {
      this.#rejectionsReported = () => this.#awaitEnd(ended);
    } else if (!areCallbacksRun) {
      // A timer fires after all callbacks of settled promises. They may reject others.
      setTimeout(() => {
        if (!this.over) this.run(() => this.#awaitEnd(ended, true));
      }, 0);
    } else {
      ended();
    }
  }

  // Records that a promise has a handler.
  handled(promise) {
    if (this.#rejections !== undefined) mapDelete(this.#rejections, promise);
  }

  // Records a rejection that has no handler yet.
  rejected(promise, reason) {
    this.#rejections ??= new Map();
    mapSet(this.#rejections, promise, reason);
    if (mapSize(this.#rejections) > 1) return;
    setTimeout(() => this.run(() => this.#reportRejections()), 0);
  }

  // Reports the rejections that are still unhandled after all callbacks have run.
  #reportRejections() {
    mapForEach(this.#rejections, (reason, promise) => {
      mapDelete(this.#rejections, promise);
      if (isFailure(promise, reason)) report(reason);
      wasReported(promise);
    });
    this.#rejectionsReported();
  }

  // Calls back once the promise is settled, or once nothing is left that could settle
  // it. As with `react`, the callbacks must not throw.
  onceSettled(promise, onFulfilled, onRejected) {
    watchIdleness();
    const settled = (callback) => (value) => {
      if (setDelete(this.#waiting, hung)) callback(value);
    };
    const hung = settled(onRejected);
    setAdd(this.#waiting, hung);
    react(promise, settled(onFulfilled), hung);
  }

  // Returns the promise, or rejects once nothing is left that could settle it.
  orHung(promise) {
    return new Promise((resolve, reject) => this.onceSettled(promised(promise), resolve, reject));
  }

  // Tells all waiters that they would wait forever. They may begin to wait for more.
  hang() {
    const waiting = bare([]);
    setForEach(this.#waiting, (hung) => (waiting[waiting.length] = hung));
    this.run(() => {
      for (let index = 0; index < waiting.length; index += 1) waiting[index](new Error(HUNG));
    });
  }

  // Ends it. Returns false if the engine is still working on something that it started.
  end() {
    this.over = true;
    mapForEach(this.timers, (_, timer) => clearTimeout(timer));
    mapClear(this.timers);
    return setSize(this.requests) === 0;
  }
}

// The wording is workerd's.
const HUNG =
  "The Workers runtime canceled this request because it detected that your Worker's code had hung and would never generate a response. Refer to: https://developers.cloudflare.com/workers/observability/errors/";

let watching = false;

function idle() {
  watching = false;
  if (mapSize(running) === 0) return;
  watchIdleness();
  mapForEach(running, (invocation) => invocation.hang());
}

function ignore() {}

// Asks the host to report a hang: it answers this request when the guest waits for
// nothing else.
function watchIdleness() {
  if (watching) return;
  watching = true;
  context.outside(() =>
    react(askHost("idle"), idle, ignore),
  );
}
