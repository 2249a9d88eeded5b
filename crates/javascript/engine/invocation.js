// One invocation while it runs, and the end of everything that it began.

import { mapClear, mapDelete, mapForEach, mapGet, mapSet, mapSize, setAdd, setDelete, setForEach, setSize } from "./builtins.js";
import * as context from "./context.js";
import { isFailure } from "./error-events.js";
import { report, uncaught } from "./failure.js";
import { chain, promised, wasReported } from "./promise.js";
import { askHost } from "./wire.js";

const { clearTimeout, setTimeout } = globalThis;

// Those that run, by their numbers.
export const running = new Map();

export class Invocation {
  // Nothing that it began goes on once this is true.
  over = false;
  // Its origin is to answer if the handler fails.
  passesThrough = false;
  // Promises that were rejected and that nobody handles, with their reasons.
  rejections = new Map();
  // What is to be called once a timer has fired or is cleared.
  timers = new Map();
  // The Durable Object that it is an event of, and its number in the instance.
  object = undefined;
  number = undefined;
  // Requests without an answer.
  requests = new Set();
  // Whether its response is complete.
  isAnswered = false;
  // What ends the wait for its end.
  aborted = () => {};
  // How much the script has given to `waitUntil` that is not over.
  #given = 0;
  // What becomes of a rejection of something that was given to `waitUntil`.
  backgroundFailure = report;
  // How much of that is not over, and who waits for it to be.
  #background = 0;
  #backgroundOver = () => {};
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

  // Runs the callback as a part of the invocation, until what it returns is
  // settled or the script aborts the invocation.
  untilOver(callback) {
    return new Promise((resolve, reject) => {
      this.aborted = resolve;
      chain(this.run(callback), resolve, reject);
    });
  }

  // Ends it at once, with a reason. Who waits for its response is told.
  abort(reason) {
    this.run(() => {
      if (!this.isAnswered) uncaught(reason);
      if (this.#given > 0) this.backgroundFailure(reason);
    });
    this.over = true;
    this.aborted();
  }

  // Keeps the invocation open for what the script gives it.
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

  // Waits for all that was given to `waitUntil`, meanwhile too, and until it is
  // known which rejections nobody handles.
  async settled() {
    while (this.#background > 0 || mapSize(this.rejections) > 0) {
      if (this.#background > 0) {
        await new Promise((resolve) => (this.#backgroundOver = resolve));
      }
      if (mapSize(this.rejections) > 0) await this.#checked;
    }
  }

  // Notes a rejection that nobody handles so far.
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

  // Reports the rejections that are still unhandled now that no callback is due.
  #reportRejections() {
    mapForEach(this.rejections, (reason, promise) => {
      mapDelete(this.rejections, promise);
      if (isFailure(promise, reason)) report(reason);
      wasReported(promise);
    });
  }

  // The promise, or an error once nothing is left that could settle it.
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

  // Ends it. False when the engine still works at something that it began.
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

// Has the host tell when the guest waits for nothing but that: it answers this
// request when it is all that the guest waits for.
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
