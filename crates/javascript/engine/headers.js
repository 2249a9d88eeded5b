// The class Headers. Scripts see values as text. The engine's class holds the UTF-8
// bytes of that text, with one character for each byte.

import {
  append,
  apply,
  arrayValues,
  bare,
  charCodeAt,
  construct,
  decode,
  define,
  encode,
  fromCharCode,
  getOwn,
  headersAppend,
  headersDelete,
  headersForEach,
  headersGet,
  headersGetSetCookie,
  headersHas,
  headersSet,
  isObject,
  listed,
  mapped,
  matches,
  ownKeys,
  slice,
  toLowerCase,
  weakAdd,
  weakHas,
} from "./builtins.js";
import { needsNew, replace } from "./classes.js";

const { Headers: Native, TextDecoder, TextEncoder, WeakSet } = globalThis;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

const NAME = /^[\w!#$%&'*+.^`|~-]+$/;
const NOT_ASCII = /[^\0-\x7f]/;
const NEVER_IN_A_VALUE = /[\0\r\n]/;

// Headers that a script may not change.
const immutable = new WeakSet();

export function Headers(init) {
  if (new.target === undefined) throw new TypeError(needsNew("Headers"));
  const headers = construct(Native, [], new.target);
  if (init !== undefined) fill(headers, init);
  return headers;
}

// Adds other headers, pairs, or the properties of a record.
export function fill(headers, init) {
  if (isHeaders(init)) {
    headersForEach(init, (value, name) => headersAppend(headers, name, value));
  } else if (!isObject(init)) {
    throw new TypeError(
      "Failed to construct 'Headers': constructor parameter 1 is not of type 'Headers or Sequence or object'.",
    );
  } else if (init[Symbol.iterator] !== undefined) {
    fillWithPairs(headers, listed(init));
  } else {
    fillWithRecord(headers, init);
  }
}

function fillWithPairs(headers, all) {
  for (let index = 0; index < all.length; index += 1) {
    const pair = isObject(all[index]) ? listed(all[index]) : [];
    if (pair.length !== 2) {
      throw new TypeError(
        "To initialize a Headers object from a sequence, each inner sequence must have exactly two elements.",
      );
    }
    headersAppend(headers, named(pair[0]), encoded(pair[1]));
  }
}

function fillWithRecord(headers, record) {
  const names = ownKeys(record);
  for (let index = 0; index < names.length; index += 1) {
    const name = names[index];
    if (typeof name !== "string" || !getOwn(record, name)?.enumerable) continue;
    headersAppend(headers, named(name), encoded(record[name]));
  }
}

export function copyOf(headers) {
  const copy = construct(Native, []);
  headersForEach(headers, (value, name) => headersAppend(copy, name, value));
  return copy;
}

// Creates headers from the host's names and values.
export function received(all) {
  const headers = construct(Native, []);
  for (let index = 0; index < all.length; index += 1) {
    headersAppend(headers, all[index][0], all[index][1]);
  }
  return readOnly(headers);
}

export function readOnly(headers) {
  weakAdd(immutable, headers);
  return headers;
}

// Returns pairs of names and values for the host. Headers with the name `left` are left
// out.
export function pairs(headers, left) {
  const all = bare([]);
  let bytes = 0;
  headersForEach(headers, (value, name) => {
    if (name === left) return;
    all[all.length] = bare([name, value]);
    bytes += name.length + value.length;
  });
  checkSize(all.length, bytes);
  return all;
}

// The host's limits for the headers of one message. Exceeding them would end the
// isolate.
const FIELDS = 16_384;
const BYTES = 2 << 20;

export function checkSize(fields, bytes) {
  if (fields > FIELDS || bytes > BYTES) {
    throw new TypeError("The headers of a message have at most 16,384 fields and 2 MiB.");
  }
}

// Returns the headers as a record for the engine. The engine would iterate over headers
// with methods that a script may have changed.
export function record(headers) {
  const all = { __proto__: null };
  headersForEach(headers, (value, name) => {
    all[name] = name in all ? `${all[name]}, ${value}` : value;
  });
  return all;
}

function isHeaders(value) {
  try {
    return isObject(value) && headersHas(value, "a") !== undefined;
  } catch {
    return false;
  }
}

function named(name) {
  const text = `${name}`;
  if (matches(NAME, text) === null) throw new TypeError("Invalid header name.");
  return text;
}

function encoded(value) {
  const text = trimmed(`${value}`);
  if (matches(NEVER_IN_A_VALUE, text) !== null) throw new TypeError("Invalid header value.");
  if (matches(NOT_ASCII, text) === null) return text;
  const bytes = encode(encoder, text);
  let characters = "";
  for (let index = 0; index < bytes.length; index += 1) characters += fromCharCode(bytes[index]);
  return characters;
}

// Removes white space at both ends.
export function trimmed(text) {
  let start = 0;
  let end = text.length;
  while (start < end && isSpace(charCodeAt(text, start))) start += 1;
  while (start < end && isSpace(charCodeAt(text, end - 1))) end -= 1;
  return slice(text, start, end);
}

function isSpace(unit) {
  return unit === 0x20 || unit === 0x09 || unit === 0x0a || unit === 0x0d;
}

function decoded(value) {
  if (value === null || matches(NOT_ASCII, value) === null) return value;
  const bytes = new Uint8Array(value.length);
  for (let index = 0; index < value.length; index += 1) bytes[index] = charCodeAt(value, index);
  return decode(decoder, bytes);
}

// Returns the value of this name as a script sees it, or null.
export function valueOf(headers, name) {
  return decoded(headersGet(headers, name));
}

function forbidChangesOf(headers) {
  if (weakHas(immutable, headers)) throw new TypeError("Can't modify immutable headers.");
}

function needs(count, given, method) {
  if (given < count) {
    throw new TypeError(
      `Failed to execute '${method}' on 'Headers': parameter ${given + 1} is not of type 'string'.`,
    );
  }
}

// Returns a list to iterate over. Later changes do not affect it.
function listOf(headers, change) {
  const list = [];
  headersForEach(headers, (value, name) => append(list, change(name, decoded(value))));
  return list;
}

function entries() {
  return arrayValues(listOf(this, (name, value) => [name, value]));
}

const MEMBERS = {
  append(name, value) {
    needs(2, arguments.length, "append");
    forbidChangesOf(this);
    headersAppend(this, named(name), encoded(value));
  },
  delete(name) {
    needs(1, arguments.length, "delete");
    forbidChangesOf(this);
    headersDelete(this, named(name));
  },
  entries,
  forEach(callback, receiver) {
    if (typeof callback !== "function") {
      throw new TypeError("Failed to execute 'forEach' on 'Headers': parameter 1 is not of type 'function'.");
    }
    const all = listOf(this, (name, value) => [value, name, this]);
    for (let index = 0; index < all.length; index += 1) apply(callback, receiver, all[index]);
  },
  get(name) {
    needs(1, arguments.length, "get");
    return valueOf(this, named(name));
  },
  getAll(name) {
    if (toLowerCase(`${name}`) !== "set-cookie") {
      throw new TypeError('getAll() can only be used with the header name "Set-Cookie".');
    }
    return mapped(headersGetSetCookie(this), decoded);
  },
  getSetCookie() {
    return mapped(headersGetSetCookie(this), decoded);
  },
  has(name) {
    needs(1, arguments.length, "has");
    return headersHas(this, named(name));
  },
  keys() {
    return arrayValues(listOf(this, (name) => name));
  },
  set(name, value) {
    needs(2, arguments.length, "set");
    forbidChangesOf(this);
    headersSet(this, named(name), encoded(value));
  },
  values() {
    return arrayValues(listOf(this, (_, value) => value));
  },
};

export function install() {
  replace(Native, Headers, MEMBERS);
  define(Native.prototype, Symbol.iterator, { value: entries, writable: true, configurable: true });
  define(Native.prototype, Symbol.toStringTag, { value: "Headers", configurable: true });
}
