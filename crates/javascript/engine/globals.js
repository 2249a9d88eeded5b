// The values of global names in the engine's own code and in its packages. The bundler
// inserts these, so that changes which a Worker makes to its global scope have no
// effect.

const frozen = (holder) =>
  globalThis.Object.freeze(
    globalThis.Object.create(null, globalThis.Object.getOwnPropertyDescriptors(holder)),
  );

const JSON = frozen(globalThis.JSON);
const Math = frozen(globalThis.Math);
const Reflect = frozen(globalThis.Reflect);

export { JSON, Math, Reflect };
export { Tracked as Promise } from "./promise.js";
export { FormData } from "./form-data.js";
export { Headers } from "./headers.js";
export { Request } from "./request.js";
export { Response } from "./response.js";
export { ReadableStream, TransformStream, WritableStream } from "./stream-constructors.js";
export { queueMicrotask, setTimeout } from "./timers.js";
export const {
  Array,
  ArrayBuffer,
  BigInt,
  Blob,
  DOMException,
  Date,
  Error,
  EvalError,
  Event,
  Function,
  Map,
  Number,
  Object,
  Proxy,
  RangeError,
  ReferenceError,
  Set,
  String,
  Symbol,
  SyntaxError,
  TextDecoder,
  TextEncoder,
  TypeError,
  URIError,
  URL,
  Uint8Array,
  WeakMap,
  WeakSet,
  atob,
  btoa,
} = globalThis;
