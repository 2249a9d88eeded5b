// Bodies, which requests and responses have in common.

import {
  byteLength,
  bytesPart,
  decode,
  inherits,
  isView,
  requestArrayBuffer,
  requestBody,
  requestBodyUsed,
  responseArrayBuffer,
  responseBody,
  responseBodyUsed,
  searchParamsText,
  streamLocked,
  tee,
  weakAdd,
  weakDelete,
  weakGet,
  weakHas,
  weakSet,
} from "./builtins.js";
import { blobOf, typeOf } from "./blob.js";
import { multipart } from "./form-data.js";
import { readForm } from "./forms.js";
import { ofLength } from "./lengths.js";
import { from, isIterable } from "./streams.js";

const { Response: NativeResponse, TextDecoder, URLSearchParams, WeakMap, WeakSet } = globalThis;

const USED =
  "Body has already been used. It can only be used once. Use tee() first if you need to read it twice.";
const LOCKED = "This ReadableStream is currently locked to a reader.";

// How to access the body of an object of the engine's.
export const OF_REQUEST = {
  __proto__: null,
  arrayBuffer: requestArrayBuffer,
  body: requestBody,
  bodyUsed: requestBodyUsed,
};
export const OF_RESPONSE = {
  __proto__: null,
  arrayBuffer: responseArrayBuffer,
  body: responseBody,
  bodyUsed: responseBodyUsed,
};

// Responses that hold bodies which the engine's objects cannot hold themselves: the
// remaining half of a cloned body, and the bodies of GET requests.
const holders = new WeakMap();

// Requests whose body was moved to another request.
const taken = new WeakSet();

// Lets a response of the engine's hold the body of `owner`.
export function hold(owner, holder) {
  weakSet(holders, owner, holder);
}

export function holdStream(owner, stream) {
  hold(owner, new NativeResponse(stream));
}

export function isHeld(owner) {
  return weakGet(holders, owner) !== undefined;
}

// The bodies that are short texts, by owner, until something reaches for the stream.
const texts = new WeakMap();

// A longer text would not be sent in one piece.
const SHORT = 16 << 10;

// Records the content of a new body.
export function begin(owner, content) {
  if (typeof content === "string" && content.length <= SHORT) weakSet(texts, owner, content);
}

// Returns the text of a body, if that is all it is.
export function shortText(owner) {
  return weakGet(texts, owner);
}

function reach(owner, own, member) {
  if (member !== "bodyUsed") weakDelete(texts, owner);
  const holder = weakGet(holders, owner);
  return holder === undefined ? own[member](owner) : OF_RESPONSE[member](holder);
}

export function bodyOf(owner, own) {
  return reach(owner, own, "body");
}

export function isUsed(owner, own) {
  return weakHas(taken, owner) || reach(owner, own, "bodyUsed");
}

// Takes the body, for another object.
export function take(owner, own) {
  if (isUsed(owner, own)) throw new TypeError("Cannot reconstruct a Request with a used body.");
  const body = bodyOf(owner, own);
  if (body !== null) weakAdd(taken, owner);
  return body;
}

// Records that a body which can be recreated has been sent.
export function spend(owner, own) {
  if (isUsed(owner, own)) throw new TypeError("Cannot reconstruct a Request with a used body.");
  weakAdd(taken, owner);
}

// Throws if a stream is locked to a reader.
export function refuseLocked(stream) {
  if (streamLocked(stream)) throw new TypeError(LOCKED);
}

// Splits the body in two. Returns one; the owner keeps the other.
export function divide(owner, own) {
  if (isUsed(owner, own)) throw new TypeError(USED);
  const body = bodyOf(owner, own);
  if (body === null) return null;
  refuseLocked(body);
  const streams = tee(body);
  holdStream(owner, streams[0]);
  return streams[1];
}

const TEXT = "text/plain;charset=UTF-8";
const FORM = "application/x-www-form-urlencoded;charset=UTF-8";

// Returns a body in a form that the engine accepts, and its default content type.
export function extracted(body) {
  if (body === undefined || body === null) return { __proto__: null, content: null, type: null };
  if (typeof body === "string") return { __proto__: null, content: body, type: TEXT };
  if (inherits(body, ReadableStream.prototype)) {
    refuseLocked(body);
    return { __proto__: null, content: body, type: null };
  }
  if (isView(body) || inherits(body, ArrayBuffer.prototype)) {
    return { __proto__: null, content: body, type: null };
  }
  if (inherits(body, Blob.prototype)) {
    return { __proto__: null, content: body, type: typeOf(body) || null };
  }
  if (inherits(body, URLSearchParams.prototype)) {
    return { __proto__: null, content: searchParamsText(body), type: FORM };
  }
  const form = multipart(body);
  if (form !== undefined) return form;
  const isText = inherits(body, String.prototype);
  if (!isText && isIterable(body)) return { __proto__: null, content: from(body), type: null };
  return { __proto__: null, content: `${body}`, type: TEXT };
}

const decoder = new TextDecoder();

// How much is decoded at a time. Meanwhile the engine needs several times the memory.
const PIECE = 1 << 20;

function textOf(buffer) {
  const bytes = new Uint8Array(buffer);
  const length = byteLength(bytes);
  if (length <= PIECE) return decode(decoder, bytes);
  const pieces = new TextDecoder();
  let text = "";
  for (let at = 0; at < length; at += PIECE) {
    text += decode(pieces, bytesPart(bytes, at, Math.min(at + PIECE, length)), MORE);
  }
  return text + decode(pieces);
}

const MORE = { __proto__: null, stream: true };

// The members that concern the body. `contentType` returns the content type, and
// `length` the length of the body if it is known.
export function bodyMembers(own, contentType, length) {
  const consumed = (owner) => {
    if (isUsed(owner, own)) throw new TypeError(USED);
    return reach(owner, own, "arrayBuffer");
  };
  return {
    __proto__: null,
    get body() {
      const body = bodyOf(this, own);
      return body === null ? null : ofLength(body, length(this));
    },
    get bodyUsed() {
      return isUsed(this, own);
    },
    async arrayBuffer() {
      return consumed(this);
    },
    async blob() {
      return blobOf(await consumed(this), contentType(this));
    },
    async bytes() {
      return new Uint8Array(await consumed(this));
    },
    async formData() {
      const type = contentType(this);
      return readForm(new Uint8Array(await consumed(this)), type);
    },
    async json() {
      return JSON.parse(textOf(await consumed(this)));
    },
    async text() {
      return textOf(await consumed(this));
    },
  };
}
