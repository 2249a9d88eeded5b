// Parses content types.

import { append, matches, slice, toLowerCase } from "./builtins.js";

const ESSENCE = /^[\t\n\r ]*([\w!#$%&'*+.^`|~-]+\/[\w!#$%&'*+.^`|~-]+)[\t\n\r ]*(?=;|$)/;
const PARAMETER = /^;[\t\n\r ]*([^;=]*)(?:=(?:"((?:\\[^]|[^"\\])*)"?[^;]*|([^;]*)))?/;
const SPACE_AT_END = /[\t\n\r ]$/;
const ESCAPED = /^([^\\]*)\\([^]?)/;
const TOKEN = /^[\w!#$%&'*+.^`|~-]+$/;

// Returns `type/subtype` and the parameters, each with a name and a value. Returns null
// if the text is not a content type.
export function parsed(text) {
  const found = matches(ESSENCE, text);
  if (found === null) return null;
  const parameters = parametersOf(slice(text, found[0].length));
  return { __proto__: null, essence: toLowerCase(found[1]), parameters };
}

// Returns the parameters of a header value, which begin at the first semicolon.
export function parametersOf(text) {
  const parameters = [];
  for (;;) {
    const found = matches(PARAMETER, text);
    if (found === null) return parameters;
    const name = toLowerCase(found[1]);
    const value = found[2] === undefined ? withoutSpaceAtEnd(found[3] ?? "") : unescaped(found[2]);
    append(parameters, { __proto__: null, name, value });
    text = slice(text, found[0].length);
  }
}

export function parameter(parameters, name) {
  for (let index = 0; index < parameters.length; index += 1) {
    if (parameters[index].name === name) return parameters[index].value;
  }
  return undefined;
}

export function serialized({ essence, parameters }) {
  let text = essence;
  for (let index = 0; index < parameters.length; index += 1) {
    const { name, value } = parameters[index];
    if (matches(TOKEN, name) === null || value === "") continue;
    text += `;${name}=${matches(TOKEN, value) === null ? quoted(value) : value}`;
  }
  return text;
}

function quoted(value) {
  let text = "";
  for (let index = 0; index < value.length; index += 1) {
    text += value[index] === '"' || value[index] === "\\" ? `\\${value[index]}` : value[index];
  }
  return `"${text}"`;
}

function withoutSpaceAtEnd(text) {
  while (matches(SPACE_AT_END, text) !== null) text = slice(text, 0, text.length - 1);
  return text;
}

function unescaped(text) {
  let done = "";
  for (;;) {
    const found = matches(ESCAPED, text);
    if (found === null) return done + text;
    done += found[1] + found[2];
    text = slice(text, found[0].length);
  }
}
