// Requests that the host answers itself, at an address that only the host and this
// module know. Any code that knew it could request more than a Worker may have.

import {
  charCodeAt,
  define,
  hasOwn,
  headersGet,
  keys,
  matches,
  numberToString,
  onceAborted,
  padStart,
  parse,
  responseHeaders,
  set,
  setAdd,
  setDelete,
  setPrototypeOf,
  signalAborted,
  signalReason,
  startsWith,
  stringify,
} from "./builtins.js";
import { currentInvocation } from "./context.js";
import { checkSize } from "./headers.js";
import { abandon } from "./host.js";
import { chain, rejection } from "./promise.js";
import { stackAt } from "./stack.js";

const { Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError, fetch: nativeFetch } =
  globalThis;

// No object that a Worker can reach contains this.
let token;

export function connect(secret) {
  token = secret;
}

function origin() {
  return `http://${token}.invalid/`;
}

// Makes a request that is not a subrequest.
export function askHost(path) {
  return nativeFetch(origin() + path, { __proto__: null });
}

// Makes a request to the host that counts as a subrequest.
export function ask(path, request, body, signal) {
  const headers = { __proto__: null, arguments: ascii(stringify(request)) };
  const init = { __proto__: null, method: "POST", headers, body, duplex: "half", signal };
  const response = sent(origin() + path, init);
  const here = new Error();
  return counted(chain(response, (response) => orThrow(response, here)));
}

// Calls the callee of a Fetcher.
export function call(callee, way, body, signal) {
  const ready = (callee) => ask("call", { __proto__: null, ...callee, ...way }, body, signal);
  return typeof callee === "function" ? chain(callee(), ready) : ready(callee);
}

// Makes a request of the script itself. `here` is an error from the place of the call.
export function fetchOutside(url, init, here) {
  return counted(chain(sent(url, init), (response) => orThrow(response, here)));
}

let signalled = 0;

// Sends a request with a record of headers. When its signal is aborted, the host
// abandons the request; the engine alone would only stop waiting for it.
function sent(url, { signal, ...init }) {
  const { headers } = init;
  try {
    check(headers);
  } catch (error) {
    return rejection(error);
  }
  if (signal === undefined) return nativeFetch(url, setPrototypeOf(init, null));
  if (signalAborted(signal)) return rejection(signalReason(signal));
  signalled += 1;
  const number = signalled;
  set(headers, hostHeader("number"), `${number}`);
  return new Promise((resolve, reject) => {
    const forget = onceAborted(signal, () => {
      abandon(number);
      reject(signalReason(signal));
    });
    const settled = (settle) => (value) => {
      forget();
      settle(value);
    };
    chain(nativeFetch(url, setPrototypeOf(init, null)), settled(resolve), settled(reject));
  });
}

function check(record) {
  const names = keys(record);
  let bytes = 0;
  for (let index = 0; index < names.length; index += 1) {
    bytes += names[index].length + record[names[index]].length;
  }
  checkSize(names.length, bytes);
}

// Returns the name of a header in which the host adds information to its response.
export function hostHeader(about) {
  return `${token}-${about}`;
}

// Returns the host's information about a response, as JSON, or null.
export function fromHost(response, about) {
  return headersGet(responseHeaders(response), hostHeader(about));
}

// Returns the response, or throws the failure that the host reports. `here` is an error
// from the place of the call, which provides the stack.
function orThrow(response, here) {
  const failed = fromHost(response, "failed");
  if (failed === null) return response;
  throw revived(parse(failed), here);
}

const ERRORS = {
  __proto__: null,
  EvalError,
  RangeError,
  ReferenceError,
  SyntaxError,
  TypeError,
  URIError,
};

// Recreates an error that came from elsewhere. Its own stack is not shown. If it came
// from another Worker, it is marked as remote.
function revived({ name, message, remote }, here) {
  const error = new (ERRORS[name] ?? Error)(message);
  const stack = stackAt(here, hasOwn(ERRORS, name) ? name : "Error", message);
  define(error, "stack", { value: stack, writable: true, configurable: true });
  if (remote) set(error, "remote", true);
  return error;
}

const NOT_ASCII = /[^\0-\x7f]/;

// Escapes JSON to ASCII, which headers require.
function ascii(json) {
  if (matches(NOT_ASCII, json) === null) return json;
  let text = "";
  for (let index = 0; index < json.length; index += 1) {
    const unit = charCodeAt(json, index);
    text += unit < 0x80 ? json[index] : `\\u${padStart(numberToString(unit, 16), 4, "0")}`;
  }
  return text;
}

// Registers a request with the invocation until it is answered.
function counted(request) {
  const invocation = currentInvocation();
  if (invocation === null) return request;
  const answered = () => setDelete(invocation.requests, request);
  setAdd(invocation.requests, request);
  chain(request, answered, answered);
  return request;
}

// Whether this is an address that no script may see.
export function isSecret(url) {
  return startsWith(url, origin());
}
