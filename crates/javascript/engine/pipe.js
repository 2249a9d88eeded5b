// `pipeTo` and `pipeThrough` with a signal, which the engine's own do not support.

import { apply, define, isObject, readerRelease, signalAborted } from "./builtins.js";
import { chain } from "./promise.js";
import { untilAborted } from "./until-aborted.js";

const { pipeThrough: nativePipeThrough, pipeTo: nativePipeTo } = ReadableStream.prototype;

function pipeTo(destination, options) {
  const signal = isObject(options) ? options.signal : undefined;
  if (signal === undefined) return apply(nativePipeTo, this, [destination, options]);
  try {
    return pipe(this, destination, options, checked(signal));
  } catch (error) {
    return Promise.reject(error);
  }
}

function pipeThrough(transform, options) {
  const signal = isObject(options) ? options.signal : undefined;
  if (signal === undefined) return apply(nativePipeThrough, this, [transform, options]);
  const { readable, writable } = transform;
  chain(pipe(this, writable, options, checked(signal)), undefined, () => {});
  return readable;
}

function checked(signal) {
  try {
    signalAborted(signal);
  } catch {
    throw new TypeError(
      "Incorrect type for the 'signal' field on 'PipeToOptions': the provided value is not of type 'AbortSignal'.",
    );
  }
  return signal;
}

// Pipes through a stream that fails when the signal is aborted.
function pipe(stream, destination, { preventAbort, preventCancel, preventClose }, signal) {
  const { source, reader, forget } = untilAborted(stream, signal, preventCancel);
  const options = { __proto__: null, preventAbort, preventCancel, preventClose };
  const piped = apply(nativePipeTo, source, [destination, options]);
  const over = () => {
    forget();
    readerRelease(reader);
  };
  chain(piped, over, over);
  return piped;
}

export function install() {
  const { prototype } = ReadableStream;
  const attributes = { writable: true, enumerable: true, configurable: true };
  define(prototype, "pipeTo", { ...attributes, value: pipeTo });
  define(prototype, "pipeThrough", { ...attributes, value: pipeThrough });
}
