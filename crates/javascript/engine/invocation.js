// One running invocation, and the end of everything that it started.

import { mapClear, mapDelete, mapForEach, mapGet, mapSet, mapSize, setAdd, setDelete, setForEach, setSize } from "./builtins.js";
import * as context from "./context.js";
import { isFailure } from "./error-events.js";
import { report, uncaught } from "./failure.js";
import { chain, promised, wasReported } from "./promise.js";
import { askHost } from "./wire.js";

const { clearTimeout, setTimeout } = globalThis;

// The running invocations, by number.
export const running = new Map();

export class Invocation {
  // Once this is true, nothing that it started continues.
  over = false;
  // Whether its origin responds if the handler fails.
  passesThrough = false;
  // Rejected promises without a handler, with the reasons.
  rejections = new Map();
  // Functions to call once a timer has fired or is cleared.
  timers = new Map();
  // The Durable Object that handles it, and its number in the instance.
  object = undefined;
  number = undefined;
  // Requests without a response.
  requests = new Set();
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
  // Functions that reject the promises which would otherwise hang.
  #waiting = new Set();
  // Resolved once the unhandled rejections have been reported.
  #checked;

  constructor({ entrypoint, props = {}, parameters }) {
    this.parameters = parameters;
    this.entrypoint = entrypoint;
    this.props = props;
  }

  // Runs a callback as part of the invocation.
  run(callback) {
    return context.enter(context.frameOf(this), callback, undefined, []);
  }

  // Runs a callback as part of the invocation. Waits until its result is settled, or
  // until the script aborts the invocation.
  untilOver(callback) {
    return new Promise((resolve, reject) => {
      this.aborted = resolve;
      chain(this.run(callback), resolve, reject);
    });
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
    chain(promised(promise), over, over);
  }

  // Keeps the invocation open until the promise is settled.
  waitUntil(promise, onRejected = this.backgroundFailure) {
    this.#background += 1;
    const over = () => {
      this.#background -= 1;
      if (this.#background === 0) this.#backgroundOver();
    };
    chain(promised(promise), over, (reason) => {
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

  // Waits for everything that is passed to `waitUntil`, including later calls, and
  // until all unhandled rejections are known.
  async settled() {
    while (this.#background > 0 || mapSize(this.rejections) > 0) {
      if (this.#background > 0) {
        await new Promise((resolve) => (this.#backgroundOver = resolve));
      }
      if (mapSize(this.rejections) > 0) await this.#checked;
    }
  }

  // Records a rejection that has no handler yet.
  rejected(promise, reason) {
    mapSet(this.rejections, promise, reason);
    if (mapSize(this.rejections) > 1) return;
    this.#checked = new Promise((resolve) =>
      setTimeout(() => {
        this.run(() => this.#reportRejections());
        resolve();
      }, 0),
    );
  }

  // Reports the rejections that are still unhandled after all callbacks have run.
  #reportRejections() {
    mapForEach(this.rejections, (reason, promise) => {
      mapDelete(this.rejections, promise);
      if (isFailure(promise, reason)) report(reason);
      wasReported(promise);
    });
  }

  // Returns the promise, or rejects once nothing is left that could settle it.
  orHung(promise) {
    watchIdleness();
    return new Promise((resolve, reject) => {
      setAdd(this.#waiting, reject);
      const settled = (settle) => (value) => {
        setDelete(this.#waiting, reject);
        settle(value);
      };
      chain(promised(promise), settled(resolve), settled(reject));
    });
  }

  hang() {
    setForEach(this.#waiting, (reject) => reject(new Error(HUNG)));
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

// Asks the host to report a hang: it answers this request when the guest waits for
// nothing else.
function watchIdleness() {
  if (watching) return;
  watching = true;
  context.outside(() =>
    chain(askHost("idle"), () => {
      watching = false;
      if (mapSize(running) === 0) return;
      watchIdleness();
      mapForEach(running, (invocation) => invocation.hang());
    }),
  );
}
