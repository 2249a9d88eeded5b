// Requests that the host answers itself, at an address that the host and this
// module alone know: whoever knew it could ask for what a Worker may not have.

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
import { chain } from "./promise.js";
import { stackAt } from "./stack.js";

const { Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError, fetch: nativeFetch } =
  globalThis;

// No object that a Worker gets hold of has this in it.
let token;

export function connect(secret) {
  token = secret;
}

function origin() {
  return `http://${token}.invalid/`;
}

// A request that is no subrequest.
export function askHost(path) {
  return nativeFetch(origin() + path, { __proto__: null });
}

// Asks the host for what counts as a subrequest.
export function ask(path, request, body, signal) {
  const headers = { __proto__: null, arguments: ascii(stringify(request)) };
  const init = { __proto__: null, method: "POST", headers, body, duplex: "half", signal };
  const response = sent(origin() + path, init);
  const here = new Error();
  return counted(chain(response, (response) => orThrow(response, here)));
}

// Calls whom a Fetcher calls, in one of the ways that there are.
export function call(callee, way, body, signal) {
  const ready = (callee) => ask("call", { __proto__: null, ...callee, ...way }, body, signal);
  return typeof callee === "function" ? chain(callee(), ready) : ready(callee);
}

// A request of the script itself. `here` is an error of the place where the
// script asked.
export function fetchOutside(url, init, here) {
  return counted(chain(sent(url, init), (response) => orThrow(response, here)));
}

let signalled = 0;

// Sends a request with a record of headers. When its signal is raised the host gives
// it up: the engine only does not wait for it any longer.
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
  set(headers, saying("number"), `${number}`);
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

function rejection(error) {
  return new Promise((_, reject) => reject(error));
}

function check(record) {
  const names = keys(record);
  let bytes = 0;
  for (let index = 0; index < names.length; index += 1) {
    bytes += names[index].length + record[names[index]].length;
  }
  checkSize(names.length, bytes);
}

// The name of a header in which the host says something about its response.
export function saying(about) {
  return `${token}-${about}`;
}

// What the host says about its response, in JSON, or null.
export function told(response, about) {
  return headersGet(responseHeaders(response), saying(about));
}

// The response, or what the host says that failed. `here` is an error of the
// place where the script asked: the stack is that one's.
function orThrow(response, here) {
  const failed = told(response, "failed");
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

// The error of somebody else, whose own stack is their affair. One of another
// Worker says that it is.
function revived({ name, message, remote }, here) {
  const error = new (ERRORS[name] ?? Error)(message);
  const stack = stackAt(here, hasOwn(ERRORS, name) ? name : "Error", message);
  define(error, "stack", { value: stack, writable: true, configurable: true });
  if (remote) set(error, "remote", true);
  return error;
}

const NOT_ASCII = /[^\0-\x7f]/;

// Headers are ASCII.
function ascii(json) {
  if (matches(NOT_ASCII, json) === null) return json;
  let text = "";
  for (let index = 0; index < json.length; index += 1) {
    const unit = charCodeAt(json, index);
    text += unit < 0x80 ? json[index] : `\\u${padStart(numberToString(unit, 16), 4, "0")}`;
  }
  return text;
}

// Has the invocation know of a request until it is answered.
function counted(request) {
  const invocation = currentInvocation();
  if (invocation === null) return request;
  const answered = () => setDelete(invocation.requests, request);
  setAdd(invocation.requests, request);
  chain(request, answered, answered);
  return request;
}

// Whether it is an address that no script may see.
export function isSecret(url) {
  return startsWith(url, origin());
}
