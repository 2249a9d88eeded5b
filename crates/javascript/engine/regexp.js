// `\p{…}` in regular expressions. The native ones have no Unicode tables, so such a
// pattern is compiled with the characters in place of the property. The bundler turns
// literals that use it into calls of the constructor.

import {
  charCodeAt,
  construct,
  contains,
  define,
  getOwn,
  hasOwn,
  indexOf,
  isObject,
  mapClear,
  mapGet,
  mapSet,
  mapSize,
  numberToString,
  parseInteger,
  setPrototypeOf,
  slice,
  startsWith,
  uncurried,
  weakDelete,
  weakGet,
  weakSet,
} from "./builtins.js";
import tables from "./properties.json";

const { Map, RegExp: Native, Symbol, WeakMap } = globalThis;
const flagsOf = uncurried(getOwn(Native.prototype, "flags").get);
const sourceOf = uncurried(getOwn(Native.prototype, "source").get);
const compileNative = uncurried(Native.prototype.compile);

// The original patterns of regular expressions whose native source differs.
const sources = new WeakMap();

// Compiled regular expressions, by flags and source, from which copies are made.
const cache = new Map();
const CACHED = 100;

function Unicode(pattern, flags) {
  if (new.target === undefined && isObject(pattern) && flags === undefined) {
    if (pattern[Symbol.match] && pattern.constructor === Unicode) return pattern;
  }
  return made(pattern, flags, new.target ?? Unicode);
}

function made(from, given, target) {
  let pattern = from;
  let flags = given;
  const source = isObject(from) ? weakGet(sources, from) : undefined;
  if (source !== undefined) {
    pattern = source;
    flags ??= flagsOf(from);
  }
  if (typeof flags === "object") flags = `${flags}`;
  if (!hasProperties(pattern, flags)) return construct(Native, [pattern, flags], target);
  const copy = construct(Native, [original(pattern, flags)], target);
  weakSet(sources, copy, pattern);
  return copy;
}

function hasProperties(pattern, flags) {
  return (
    typeof pattern === "string" &&
    typeof flags === "string" &&
    (contains(flags, "u") || contains(flags, "v")) &&
    (contains(pattern, "\\p{") || contains(pattern, "\\P{"))
  );
}

function original(pattern, flags) {
  const key = `${flags}/${pattern}`;
  const known = mapGet(cache, key);
  if (known !== undefined) return known;
  const native = new Native(expanded(pattern, contains(flags, "v")), flags);
  if (mapSize(cache) === CACHED) mapClear(cache);
  mapSet(cache, key, native);
  return native;
}

// Returns the pattern with the characters of each property. Errors are left in place,
// so that the native constructor reports them.
function expanded(pattern, hasSets) {
  let text = "";
  let depth = 0;
  let at = 0;
  while (at < pattern.length) {
    const next = slice(pattern, at, at + 2);
    const isNegated = next === "\\P";
    const end = isProperty(pattern, at) ? indexOf(pattern, "}", at) : -1;
    const characters = end < 0 ? undefined : property(slice(pattern, at + 3, end));
    // A character class cannot contain strings.
    if (characters !== undefined && (characters.strings === undefined || (hasSets && !isNegated))) {
      at = end + 1;
      if (hasSets || depth === 0) {
        text += hasSets ? operand(characters, isNegated) : `[${ranges(characters, isNegated)}]`;
        continue;
      }
      text += ranges(characters, isNegated);
      // A dash beside a property is a literal dash.
      if (pattern[at] === "-" && pattern[at + 1] !== "]") {
        text += "\\-";
        at += 1;
      }
    } else if (pattern[at] === "\\") {
      text += next;
      at += 2;
    } else {
      if (pattern[at] === "[" && (hasSets || depth === 0)) depth += 1;
      if (pattern[at] === "]" && depth > 0) depth -= 1;
      const isDash = depth > 0 && !hasSets && next === "-\\" && isProperty(pattern, at + 1);
      text += isDash ? "\\-" : pattern[at];
      at += 1;
    }
  }
  return text;
}

function isProperty(pattern, at) {
  return startsWith(pattern, "\\p{", at) || startsWith(pattern, "\\P{", at);
}

// Returns the operand for a pattern with the flag `v`, in which classes may be nested.
function operand({ set, strings }, isNegated) {
  if (isNegated) return `[^${ranges({ set }, false)}]`;
  let more = "";
  for (let index = 0; index < (strings?.length ?? 0); index += 1) {
    more += `\\q{${escaped(strings[index])}}`;
  }
  return `[${ranges({ set }, false)}${more}]`;
}

function escaped(text) {
  let all = "";
  for (let at = 0; at < text.length; at += 1) {
    all += `\\u${slice(numberToString(0x10000 + charCodeAt(text, at), 16), 1)}`;
  }
  return all;
}

const LAST = 0x10ffff;

// Returns the characters of a set as they are written in a class. The set is a list of
// distances between the positions where membership changes.
function ranges({ set }, isNegated) {
  let text = "";
  let isIn = isNegated;
  let start = 0;
  let next = 0;
  for (let at = 0; at < set.length; ) {
    const space = indexOf(set, " ", at);
    const end = space < 0 ? set.length : space;
    next += parseInteger(slice(set, at, end), 36);
    if (isIn && next > start) text += range(start, next - 1);
    isIn = !isIn;
    start = next;
    at = end + 1;
  }
  return isIn && start <= LAST ? text + range(start, LAST) : text;
}

function range(from, to) {
  const first = `\\u{${numberToString(from, 16)}}`;
  return from === to ? first : `${first}-\\u{${numberToString(to, 16)}}`;
}

const own = (table, name) => (hasOwn(table, name) ? table[name] : undefined);

// Returns the characters of a property, and its strings if it has any.
function property(name) {
  const equals = indexOf(name, "=");
  if (equals >= 0) {
    const of = own(tables.properties, slice(name, 0, equals));
    const values = own(tables.values, of);
    const value = values === undefined ? undefined : own(values, slice(name, equals + 1));
    return found(`${of}/${value}`);
  }
  const category = own(tables.values.General_Category, name);
  return (
    found(`General_Category/${category}`) ??
    found(`Binary_Property/${own(tables.properties, name) ?? name}`) ??
    found(`Property_of_Strings/${name}`)
  );
}

function found(key) {
  const set = own(tables.sets, key);
  return set === undefined ? undefined : { set, strings: own(tables.strings, key) };
}

// Returns the `source` that the native constructor would report if it supported the
// pattern.
function writtenSource(pattern) {
  try {
    return sourceOf(new Native(pattern));
  } catch {
    return pattern;
  }
}

export function install() {
  const { prototype } = Native;
  setPrototypeOf(Unicode, Native);
  define(Unicode, "name", { value: "RegExp" });
  define(Unicode, "prototype", { value: prototype, writable: false });
  define(prototype, "constructor", { value: Unicode, writable: true, configurable: true });
  // The native methods are only fast with the native constructor.
  define(Unicode, Symbol.species, {
    get() {
      return this === Unicode ? Native : this;
    },
    configurable: true,
  });
  define(prototype, "source", {
    get() {
      const pattern = isObject(this) ? weakGet(sources, this) : undefined;
      return pattern === undefined ? sourceOf(this) : writtenSource(pattern);
    },
    enumerable: false,
    configurable: true,
  });
  define(prototype, "compile", {
    value(pattern, flags) {
      const regexp = made(pattern, flags, Native);
      const source = weakGet(sources, regexp);
      compileNative(this, regexp);
      if (source === undefined) weakDelete(sources, this);
      else weakSet(sources, this, source);
      return this;
    },
    writable: true,
    configurable: true,
  });
  define(globalThis, "RegExp", { value: Unicode, writable: true, configurable: true });
}
