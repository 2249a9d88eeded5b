// Streams that fail when a signal is aborted.

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

// Returns a stream that reads another one and fails when the signal is aborted, its
// reader, and a function that stops listening to the signal. An abort cancels the other
// stream, unless `preventCancel` is set.
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
