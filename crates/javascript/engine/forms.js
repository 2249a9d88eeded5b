// Parses received forms as workerd does.

import {
  append,
  bare,
  bytesIndexOf,
  bytesPart,
  decode,
  encode,
  indexOf,
  matches,
  searchParamsForEach,
  slice,
  toLowerCase,
} from "./builtins.js";
import { formOf } from "./form-data.js";
import { trimmed } from "./headers.js";
import { parameter, parametersOf, parsed } from "./media-type.js";

const { File, TextDecoder, TextEncoder, URLSearchParams } = globalThis;

const encoder = new TextEncoder();
const decoder = new TextDecoder();
// A text in a form may begin with U+FEFF.
const partDecoder = new TextDecoder("utf-8", { ignoreBOM: true });

const CR = 0x0d;
const LF = 0x0a;
const DASH = 0x2d;

// Returns the form in a body with this content type, which may be null.
export function readForm(bytes, contentType) {
  if (contentType === null) {
    throw new TypeError("Parsing a Body as FormData requires a Content-Type header.");
  }
  const type = parsed(contentType);
  switch (type?.essence) {
    case "multipart/form-data":
      return formOf(parts(bytes, boundaryOf(type)));
    case "application/x-www-form-urlencoded":
      return formOf(pairs(bytes, type));
    default:
      throw new TypeError(
        "Unrecognized Content-Type header value. FormData can only parse the following MIME types: multipart/form-data, application/x-www-form-urlencoded",
      );
  }
}

function pairs(bytes, { parameters }) {
  if (toLowerCase(parameter(parameters, "charset") ?? "utf-8") !== "utf-8") {
    throw new TypeError("Non-utf-8 application/x-www-form-urlencoded body.");
  }
  const entries = bare([]);
  // A leading question mark is part of the first name.
  const params = new URLSearchParams(`&${decode(decoder, bytes)}`);
  searchParamsForEach(params, (value, name) => append(entries, { __proto__: null, name, value }));
  return entries;
}

function boundaryOf({ parameters }) {
  const boundary = parameter(parameters, "boundary");
  if (boundary !== undefined && boundary !== "") return boundary;
  throw new TypeError(
    `No boundary string in Content-Type header. The multipart/form-data MIME type requires a boundary parameter, e.g. 'Content-Type: multipart/form-data; boundary="abcd"'. See RFC 7578, section 4.`,
  );
}

function parts(bytes, boundary) {
  const delimiter = encode(encoder, `--${boundary}`);
  const entries = bare([]);
  let at = nextDelimiter(bytes, delimiter, 0);
  if (at < 0) throw new TypeError("No initial boundary string (or you have a truncated message).");
  for (;;) {
    at += delimiter.length;
    if (bytes[at] === DASH && bytes[at + 1] === DASH) return entries;
    const head = headOf(bytes, afterNewline(bytes, at));
    at = nextDelimiter(bytes, delimiter, head.end);
    if (at < 0) throw new TypeError(TRUNCATED);
    const end = beforeNewline(bytes, at);
    append(entries, entry(head, bytesPart(bytes, head.end, end > head.end ? end : head.end)));
  }
}

const TRUNCATED = "No subsequent boundary string after multipart message.";

// Returns the position of the next delimiter at the beginning of a line.
function nextDelimiter(bytes, delimiter, line) {
  while (!hasAt(bytes, delimiter, line)) {
    const newline = bytesIndexOf(bytes, LF, line);
    if (newline < 0) return newline;
    line = newline + 1;
  }
  return line;
}

function hasAt(bytes, part, at) {
  for (let index = 0; index < part.length; index += 1) {
    if (bytes[at + index] !== part[index]) return false;
  }
  return true;
}

function afterNewline(bytes, at) {
  if (bytes[at] === LF) return at + 1;
  if (bytes[at] === CR && bytes[at + 1] === LF) return at + 2;
  throw new TypeError("Boundary string was not succeeded by CRLF, LF, or '--'.");
}

function beforeNewline(bytes, at) {
  return bytes[at - 2] === CR ? at - 2 : at - 1;
}

// Returns the headers of a part, and where its content begins.
function headOf(bytes, at) {
  const head = { __proto__: null, end: at, disposition: undefined, type: "" };
  for (;;) {
    const newline = bytesIndexOf(bytes, LF, head.end);
    if (newline < 0) throw new TypeError(TRUNCATED);
    const line = trimmed(decode(decoder, bytesPart(bytes, head.end, newline)));
    head.end = newline + 1;
    if (line === "") return head;
    const colon = indexOf(line, ":");
    if (colon < 0) throw new TypeError("FormData part had invalid headers.");
    const value = trimmed(slice(line, colon + 1));
    const name = toLowerCase(slice(line, 0, colon));
    if (name === "content-disposition") head.disposition = value;
    if (name === "content-type") head.type = value;
  }
}

const KIND = /^[^;]*/;

function entry({ disposition, type }, content) {
  if (disposition === undefined) {
    throw new TypeError("No valid Content-Disposition header found in FormData part.");
  }
  const kind = matches(KIND, disposition)[0];
  if (toLowerCase(trimmed(kind)) !== "form-data") {
    throw new TypeError(
      `Content-Disposition header for FormData part must have the value "form-data", possibly followed by parameters. Got: "${kind}"`,
    );
  }
  const parameters = parametersOf(slice(disposition, kind.length));
  const name = parameter(parameters, "name");
  if (name === undefined) {
    throw new TypeError("Content-Disposition header in FormData part is missing a name.");
  }
  const filename = parameter(parameters, "filename") ?? "";
  const value = filename === "" ? decode(partDecoder, content) : new File([content], unescaped(filename), { __proto__: null, type });
  return { __proto__: null, name: unescaped(name), value };
}

const ESCAPED = /^([^]*?)%(0A|0D|22)/;
const CHARACTERS = { __proto__: null, "0A": "\n", "0D": "\r", 22: '"' };

function unescaped(name) {
  let text = "";
  for (;;) {
    const found = matches(ESCAPED, name);
    if (found === null) return text + name;
    text += found[1] + CHARACTERS[found[2]];
    name = slice(name, found[0].length);
  }
}
