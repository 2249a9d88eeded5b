// Streams that end with a signal.

import {
  getReader,
  onceAborted,
  readerCancel,
  readerRead,
  signalAborted,
  signalReason,
  streamControllerClose,
  streamControllerEnqueue,
  streamControllerError,
} from "./builtins.js";
import { chain } from "./promise.js";

// What reads a stream and fails when the signal is raised, which cancels that stream
// unless `preventCancel` is set; its reader; and how not to hear of the signal any more.
export function untilAborted(stream, signal, preventCancel = false) {
  const reader = getReader(stream);
  let controller;
  let forget = () => {};
  const source = new ReadableStream(
    {
      __proto__: null,
      start: (own) => void (controller = own),
      pull: () =>
        chain(readerRead(reader), ({ done, value }) => {
          if (!done) return streamControllerEnqueue(controller, value);
          forget();
          streamControllerClose(controller);
        }),
      cancel(reason) {
        forget();
        return readerCancel(reader, reason);
      },
    },
    { __proto__: null, highWaterMark: 0 },
  );
  const abort = () => {
    const reason = signalReason(signal);
    if (!preventCancel) chain(readerCancel(reader, reason), undefined, () => {});
    streamControllerError(controller, reason);
  };
  if (signalAborted(signal)) abort();
  else forget = onceAborted(signal, abort);
  return { source, reader, forget };
}
