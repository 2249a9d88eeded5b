// `fetch` and the classes around it, as far as they differ from the engine's.

import { currentInvocation } from "./context.js";

const native = { fetch: globalThis.fetch };
const ORIGIN = "http://taffrail.invalid";

// A request that the host answers itself.
export function askHost(path, init) {
  return native.fetch(`${ORIGIN}/${path}`, init);
}

// The response, or what the host says that failed. `here` is an error of the
// place where the script asked, whose stack counts then.
export function orThrow(response, here) {
  const failed = response.headers.get("taffrail-failed");
  if (failed === null) return response;
  throw revived(JSON.parse(failed), here);
}

const ERRORS = { EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError };

// The error of somebody else, whose own stack is their affair.
function revived({ name, message }, here) {
  const error = new (ERRORS[name] ?? Error)(message);
  const stack = here === undefined ? `${error.name}: ${message}` : here.stack;
  Object.defineProperty(error, "stack", { value: stack, writable: true });
  return error;
}

export function fetch(input, init) {
  const here = new Error();
  return counted(native.fetch(input, init).then((response) => orThrow(response, here)));
}

// Asks the host for what has to do with other Workers.
export function ask(call, body) {
  const headers = { "taffrail-call": ascii(JSON.stringify(call)) };
  const request = askHost("service", { method: "POST", headers, body, duplex: "half" });
  return counted(request.then((response) => orThrow(response)));
}

// Calls whom a Fetcher calls, in one of the ways that there are.
export function call(callee, way, body) {
  if (typeof callee !== "function") return ask({ ...callee, ...way }, body);
  return callee().then((callee) => ask({ ...callee, ...way }, body));
}

// Headers are ASCII.
function ascii(json) {
  return json.replace(/[\u0080-\uffff]/g, (unit) =>
    `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

// Has the invocation know of a request until it is answered.
export function counted(request) {
  const invocation = currentInvocation();
  const answered = () => invocation?.requests.delete(request);
  invocation?.requests.add(request);
  request.then(answered, answered);
  return request;
}

// The request of a fetch event.
export async function incomingRequest({ url, method, headers, body, cf }) {
  const init = { method, headers };
  if (body) {
    init.body = (await askHost("request")).body;
    init.duplex = "half";
  }
  const request = new Request(url, init);
  // A request that is to be sent may not have all headers that one may have
  // that was received.
  Object.defineProperty(request, "headers", { value: new Headers(headers) });
  Object.defineProperty(request, "cf", { value: cf });
  return request;
}

function clone() {
  if (this.bodyUsed) throw new TypeError("Body has already been used.");
  const init = { status: this.status, statusText: this.statusText, headers: this.headers };
  if (this.body === null) return new Response(null, init);
  const [mine, theirs] = this.body.tee();
  const rest = new Response(mine);
  Object.defineProperty(this, "body", { get: () => rest.body, configurable: true });
  Object.defineProperty(this, "bodyUsed", { get: () => rest.bodyUsed, configurable: true });
  for (const method of ["arrayBuffer", "blob", "formData", "json", "text"]) {
    Object.defineProperty(this, method, { value: () => rest[method](), configurable: true });
  }
  return new Response(theirs, init);
}

const ERROR = Symbol("Response.error()");

export function isErrorResponse(response) {
  return response[ERROR] === true;
}

function error() {
  const response = new Response(null);
  Object.defineProperty(response, ERROR, { value: true });
  Object.defineProperty(response, "type", { value: "error" });
  Object.defineProperty(response, "status", { value: 0 });
  return response;
}

function define(target, name, value) {
  if (!(name in target)) {
    Object.defineProperty(target, name, { value, writable: true, configurable: true });
  }
}

// The chunks of a stream, which is cancelled when they are not all wanted.
async function* values({ preventCancel = false } = {}) {
  const reader = this.getReader();
  let ended = false;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      ended = done;
      if (done) return;
      yield value;
    }
  } finally {
    if (!ended && !preventCancel) reader.cancel();
    reader.releaseLock();
  }
}

// What this version of the engine lacks.
export function install() {
  define(Response.prototype, "clone", clone);
  define(ReadableStream.prototype, "values", values);
  define(ReadableStream.prototype, Symbol.asyncIterator, values);
  define(Response, "error", error);
  define(Headers.prototype, Symbol.toStringTag, "Headers");
}
