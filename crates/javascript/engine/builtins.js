// The built-ins that the engine needs, saved before any code of a Worker runs.
//
// A Worker may change every built-in that it can reach. The engine's own code must
// still work. It therefore calls the functions of this module, creates records without
// a prototype, and iterates only by index. No identifier here may be the name of a
// global, since the bundler replaces those with the exports of `globals.js`.

const {
  Array: { isArray },
  Function: { prototype: functions },
  Object: {
    assign,
    defineProperty,
    getOwnPropertyDescriptor,
    getPrototypeOf,
    hasOwn,
    keys,
    setPrototypeOf,
  },
  Reflect: { apply, construct, ownKeys },
} = globalThis;

// Converts a method to a function that takes its receiver first.
export const uncurried = functions.bind.bind(functions.call);
const method = (holder, name) => uncurried(holder.prototype[name]);
const getter = (holder, name) =>
  uncurried(getOwnPropertyDescriptor(holder.prototype, name).get);

export {
  apply,
  assign,
  construct,
  getOwnPropertyDescriptor as getOwn,
  getPrototypeOf,
  hasOwn,
  isArray,
  keys,
  ownKeys,
  setPrototypeOf,
};

const { parse: parseJson, stringify } = globalThis.JSON;
export { stringify };

// Parses JSON. An object has no prototype, but nested objects do.
export function parse(text) {
  const value = parseJson(text);
  return typeof value === "object" && value !== null && !isArray(value)
    ? setPrototypeOf(value, null)
    : value;
}

// Returns an array that only has its indices and its length.
export function bare(array) {
  return setPrototypeOf(array, null);
}

// Defines a property. `attributes` has `value`, `get` or `set`, and further attributes.
export function define(target, name, attributes) {
  return defineProperty(target, name, setPrototypeOf(attributes, null));
}

// Sets an own property of an object. Unlike an assignment, this ignores setters of
// prototypes.
export function set(target, name, value) {
  WRITABLE.value = value;
  return defineProperty(target, name, WRITABLE);
}

// Defines a property that can be read, but not set.
export function show(target, name, value) {
  READABLE.value = value;
  return defineProperty(target, name, READABLE);
}

const READABLE = { __proto__: null, value: undefined, enumerable: true, configurable: true };
const WRITABLE = { __proto__: null, ...READABLE, writable: true };

export function append(array, value) {
  set(array, array.length, value);
}

// Returns the results of `change` for all elements.
export function mapped(array, change) {
  const results = [];
  for (let index = 0; index < array.length; index += 1) append(results, change(array[index], index));
  return results;
}

export function includes(array, value) {
  for (let index = 0; index < array.length; index += 1) if (array[index] === value) return true;
  return false;
}

// Returns the elements of an iterable that a Worker passes in.
export function listed(iterable) {
  return isArray(iterable) ? iterable : [...iterable];
}

// Whether a value is an object. Functions are objects.
export function isObject(value) {
  return value !== null && (typeof value === "object" || typeof value === "function");
}

// Whether `prototype` is in the prototype chain of a value.
export function inherits(value, prototype) {
  return isObject(value) && isPrototypeOf(prototype, value);
}

const { Date, Error, Map, Number, Object, RegExp, Set, String, WeakMap, WeakSet } = globalThis;

const isPrototypeOf = method(Object, "isPrototypeOf");
export const objectToString = method(Object, "toString");
export const functionToString = method(globalThis.Function, "toString");
export const objectPrototype = Object.prototype;
export const isError = Error.isError;
export const { now } = Date;
export const { isFinite, isInteger, parseInt: parseInteger } = Number;
export const matches = method(RegExp, "exec");

export const mapClear = method(Map, "clear");
export const mapDelete = method(Map, "delete");
export const mapForEach = method(Map, "forEach");
export const mapGet = method(Map, "get");
export const mapHas = method(Map, "has");
export const mapSet = method(Map, "set");
export const mapSize = getter(Map, "size");
export const setAdd = method(Set, "add");
export const setDelete = method(Set, "delete");
export const setForEach = method(Set, "forEach");
export const setHas = method(Set, "has");
export const setSize = getter(Set, "size");
export const weakDelete = method(WeakMap, "delete");
export const weakGet = method(WeakMap, "get");
export const weakSet = method(WeakMap, "set");
export const weakAdd = method(WeakSet, "add");
export const weakRemove = method(WeakSet, "delete");
export const weakHas = method(WeakSet, "has");

export const arrayValues = method(globalThis.Array, "values");

export const charCodeAt = method(String, "charCodeAt");
export const contains = method(String, "includes");
export const endsWith = method(String, "endsWith");
export const indexOf = method(String, "indexOf");
export const slice = method(String, "slice");
export const startsWith = method(String, "startsWith");
export const padStart = method(String, "padStart");
export const toLowerCase = method(String, "toLowerCase");
export const toUpperCase = method(String, "toUpperCase");
export const wellFormed = method(String, "toWellFormed");
export const { fromCharCode } = String;
export const numberToString = method(Number, "toString");

// Returns a copy of a map.
export function copied(map) {
  const copy = new Map();
  mapForEach(map, (value, key) => mapSet(copy, key, value));
  return copy;
}

export const generators = getPrototypeOf(function* () {}).prototype;
export const generatorNext = uncurried(generators.next);
export const generatorThrow = uncurried(generators.throw);

const { ArrayBuffer, TextDecoder, TextEncoder, Uint8Array } = globalThis;
const TypedArray = getPrototypeOf(Uint8Array);

export const isView = ArrayBuffer.isView;
export const byteLength = getter(TypedArray, "length");
export const bytesIndexOf = method(TypedArray, "indexOf");
export const bytesSet = method(TypedArray, "set");
export const bytesPart = (bytes, start, end = byteLength(bytes)) =>
  new Uint8Array(bytesBuffer(bytes), bytesOffset(bytes) + start, end - start);
const bytesBuffer = getter(TypedArray, "buffer");
const bytesOffset = getter(TypedArray, "byteOffset");
export const decode = method(TextDecoder, "decode");
export const decoderEncoding = getter(TextDecoder, "encoding");
export const decoderFatal = getter(TextDecoder, "fatal");
export const decoderIgnoreBOM = getter(TextDecoder, "ignoreBOM");
export const encode = method(TextEncoder, "encode");

const { AbortSignal, Blob, EventTarget, File, TransformStream, URL, URLSearchParams } = globalThis;

export const blobType = getter(Blob, "type");
export const fileLastModified = getter(File, "lastModified");
export const fileName = getter(File, "name");
export const searchParamsForEach = method(URLSearchParams, "forEach");
export const searchParamsText = method(URLSearchParams, "toString");
export const listen = method(EventTarget, "addEventListener");
export const signalAborted = getter(AbortSignal, "aborted");
export const signalReason = getter(AbortSignal, "reason");
export const transformReadable = getter(TransformStream, "readable");
export const transformWritable = getter(TransformStream, "writable");
const unlisten = method(EventTarget, "removeEventListener");

// Calls back when a signal is aborted. The returned function cancels this.
export function onceAborted(signal, callback) {
  listen(signal, "abort", callback);
  return () => unlisten(signal, "abort", callback);
}
const setter = (holder, name) => uncurried(getOwnPropertyDescriptor(holder.prototype, name).set);
export const setUrlPassword = setter(URL, "password");
export const setUrlUsername = setter(URL, "username");
export const urlOrigin = getter(URL, "origin");
export const urlPassword = getter(URL, "password");
export const urlProtocol = getter(URL, "protocol");
export const urlText = getter(URL, "href");
export const urlUsername = getter(URL, "username");

const {
  AbortController,
  Event,
  Headers,
  ReadableStream,
  ReadableStreamDefaultController,
  ReadableStreamDefaultReader,
  Request,
  Response,
} = globalThis;

export const controllerAbort = method(AbortController, "abort");
export const controllerSignal = getter(AbortController, "signal");
export const controllerClose = method(ReadableStreamDefaultController, "close");
export const controllerEnqueue = method(ReadableStreamDefaultController, "enqueue");
export const eventPrevented = getter(Event, "defaultPrevented");
export const eventType = getter(Event, "type");
export const headersAppend = method(Headers, "append");
export const headersDelete = method(Headers, "delete");
export const headersForEach = method(Headers, "forEach");
export const headersGet = method(Headers, "get");
export const headersGetSetCookie = method(Headers, "getSetCookie");
export const headersHas = method(Headers, "has");
export const headersSet = method(Headers, "set");
export const getReader = method(ReadableStream, "getReader");
export const streamLocked = getter(ReadableStream, "locked");
export const enqueue = uncurried(enqueueOf(TransformStream));
export const tee = method(ReadableStream, "tee");
export let streamControllerClose;
export let streamControllerEnqueue;
export let streamControllerError;
new globalThis.ReadableStream({
  start(controller) {
    streamControllerClose = uncurried(controller.close);
    streamControllerEnqueue = uncurried(controller.enqueue);
    streamControllerError = uncurried(controller.error);
  },
});
export const readerCancel = method(ReadableStreamDefaultReader, "cancel");
export const readerRead = method(ReadableStreamDefaultReader, "read");
export const readerRelease = method(ReadableStreamDefaultReader, "releaseLock");
export const requestArrayBuffer = method(Request, "arrayBuffer");
export const requestBody = getter(Request, "body");
export const requestBodyUsed = getter(Request, "bodyUsed");
export const requestHeaders = getter(Request, "headers");
export const requestMethod = getter(Request, "method");
export const requestSignal = getter(Request, "signal");
export const requestUrl = getter(Request, "url");
export const responseArrayBuffer = method(Response, "arrayBuffer");
export const responseBody = getter(Response, "body");
export const responseBodyUsed = getter(Response, "bodyUsed");
export const responseHeaders = getter(Response, "headers");
export const responseJson = method(Response, "json");
export const responseStatus = getter(Response, "status");
export const responseStatusText = getter(Response, "statusText");
export const responseText = method(Response, "text");
export const responseUrl = getter(Response, "url");

// The class of a transformer's controller is not a global.
function enqueueOf(TransformStream) {
  let found;
  new TransformStream({ start: (controller) => void (found = controller.enqueue) });
  return found;
}
