// The contents of `data:` URLs.

import { charCodeAt, contains, fromCharCode, indexOf, matches, parseInteger, slice } from "./builtins.js";

const BASE64 = /;[\t\n\r ]*base64[\t\n\r ]*$/i;
const HEXADECIMAL = /^[\dA-Fa-f]{2}$/;

export function dataResponse(url) {
  const hash = indexOf(url, "#");
  const text = slice(url, "data:".length, hash < 0 ? url.length : hash);
  const comma = indexOf(text, ",");
  if (comma < 0) throw new TypeError(`Invalid data: URL: ${url}`);
  const characters = percentDecoded(slice(text, comma + 1));
  const meta = slice(text, 0, comma);
  const base64 = matches(BASE64, meta);
  const type = base64 === null ? meta : slice(meta, 0, base64.index);
  const body = bytesOf(base64 === null ? characters : decoded(characters, url));
  return new Response(body, {
    __proto__: null,
    headers: { __proto__: null, "content-type": mediaType(type) },
  });
}

function mediaType(type) {
  if (contains(type, "/")) return type;
  return type[0] === ";" ? `text/plain${type}` : "text/plain;charset=US-ASCII";
}

function decoded(base64, url) {
  try {
    return atob(base64);
  } catch {
    throw new TypeError(`Invalid base64 in a data: URL: ${url}`);
  }
}

// Returns a string with one character for each byte.
function percentDecoded(text) {
  let characters = "";
  for (let index = 0; index < text.length; index += 1) {
    const code = slice(text, index + 1, index + 3);
    if (text[index] === "%" && matches(HEXADECIMAL, code) !== null) {
      characters += fromCharCode(parseInteger(code, 16));
      index += 2;
    } else {
      characters += text[index];
    }
  }
  return characters;
}

function bytesOf(characters) {
  const bytes = new Uint8Array(characters.length);
  for (let index = 0; index < characters.length; index += 1) bytes[index] = charCodeAt(characters, index);
  return bytes;
}
