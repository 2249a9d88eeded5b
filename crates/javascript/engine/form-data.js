// The class FormData, and its encoding.

import {
  append,
  apply,
  arrayValues,
  bare,
  define,
  fileLastModified,
  fileName,
  inherits,
  isObject,
  mapped,
  numberToString,
  padStart,
  wellFormed,
} from "./builtins.js";
import { typeOf } from "./blob.js";

const { File, Symbol } = globalThis;

let entriesOf;
let fillWith;

export class FormData {
  // Each has a name and a value.
  #entries = bare([]);

  static {
    entriesOf = (value) => (isObject(value) && #entries in value ? value.#entries : undefined);
    fillWith = (form, entries) => (form.#entries = entries);
  }

  append(name, value, filename) {
    needs(2, arguments.length, "append");
    append(this.#entries, entry(name, value, filename));
  }

  delete(name) {
    needs(1, arguments.length, "delete");
    this.#entries = this.#without(wellFormed(`${name}`), undefined);
  }

  get(name) {
    needs(1, arguments.length, "get");
    const text = wellFormed(`${name}`);
    for (let index = 0; index < this.#entries.length; index += 1) {
      if (this.#entries[index].name === text) return this.#entries[index].value;
    }
    return null;
  }

  getAll(name) {
    needs(1, arguments.length, "getAll");
    const text = wellFormed(`${name}`);
    const values = [];
    for (let index = 0; index < this.#entries.length; index += 1) {
      if (this.#entries[index].name === text) append(values, this.#entries[index].value);
    }
    return values;
  }

  has(name) {
    return this.get(name) !== null;
  }

  set(name, value, filename) {
    needs(2, arguments.length, "set");
    const set = entry(name, value, filename);
    this.#entries = this.#without(set.name, set);
  }

  // Returns the entries without those of a name. `instead` takes their place, if given.
  #without(name, instead) {
    const rest = bare([]);
    let isThere = instead === undefined;
    for (let index = 0; index < this.#entries.length; index += 1) {
      if (this.#entries[index].name !== name) append(rest, this.#entries[index]);
      else if (!isThere) append(rest, instead);
      isThere ||= this.#entries[index].name === name;
    }
    if (!isThere) append(rest, instead);
    return rest;
  }

  entries() {
    return arrayValues(mapped(this.#entries, ({ name, value }) => [name, value]));
  }

  keys() {
    return arrayValues(mapped(this.#entries, ({ name }) => name));
  }

  values() {
    return arrayValues(mapped(this.#entries, ({ value }) => value));
  }

  forEach(callback, receiver) {
    if (typeof callback !== "function") {
      throw new TypeError("Failed to execute 'forEach' on 'FormData': parameter 1 is not of type 'function'.");
    }
    const entries = this.#entries;
    for (let index = 0; index < entries.length; index += 1) {
      apply(callback, receiver, [entries[index].value, entries[index].name, this]);
    }
  }

  [Symbol.iterator]() {
    return this.entries();
  }

  get [Symbol.toStringTag]() {
    return "FormData";
  }
}

// Returns a form with these entries.
export function formOf(entries) {
  const form = new FormData();
  fillWith(form, entries);
  return form;
}

function needs(count, given, method) {
  if (given >= count) return;
  const type = given === 0 ? "string" : "File or Blob or string";
  throw new TypeError(`Failed to execute '${method}' on 'FormData': parameter ${given + 1} is not of type '${type}'.`);
}

function entry(name, value, filename) {
  const text = wellFormed(`${name}`);
  return { __proto__: null, name: text, value: valueOf(text, value, filename) };
}

function valueOf(name, value, filename) {
  if (!inherits(value, Blob.prototype)) return wellFormed(`${value}`);
  const isFile = inherits(value, File.prototype);
  if (isFile && filename === undefined) return value;
  const type = typeOf(value);
  const options = { __proto__: null, type };
  if (isFile) options.lastModified = fileLastModified(value);
  return new File([value], filename === undefined ? name : `${filename}`, options);
}

// Returns the body and the content type with which a form is sent, or undefined if the
// value is not a form.
export function multipart(form) {
  const entries = entriesOf(form);
  if (entries === undefined) return undefined;
  const boundary = random() + random() + random() + random();
  const parts = [];
  for (let index = 0; index < entries.length; index += 1) {
    const { name, value } = entries[index];
    append(parts, `--${boundary}\r\nContent-Disposition: form-data; name="${escaped(name)}"`);
    if (typeof value !== "string") {
      const type = typeOf(value) || "application/octet-stream";
      append(parts, `; filename="${escaped(fileName(value))}"\r\nContent-Type: ${type}`);
    }
    append(parts, "\r\n\r\n");
    append(parts, value);
    append(parts, "\r\n");
  }
  append(parts, `--${boundary}--`);
  return {
    __proto__: null,
    content: new Blob(parts),
    type: `multipart/form-data; boundary=${boundary}`,
  };
}

function random() {
  return padStart(numberToString(Math.floor(Math.random() * 0x1_0000_0000), 16), 8, "0");
}

const ESCAPES = { __proto__: null, '"': "%22", "\r": "%0D", "\n": "%0A" };

function escaped(name) {
  let text = "";
  for (let index = 0; index < name.length; index += 1) text += ESCAPES[name[index]] ?? name[index];
  return text;
}

export function install() {
  define(FormData, "name", { value: "FormData" });
  define(globalThis, "FormData", { value: FormData, writable: true, configurable: true });
}
