// The lines of a body, each as soon as it arrives.

import { byteLength, bytesIndexOf, bytesPart, bytesSet, decode, getReader, readerRead, responseBody } from "./builtins.js";
import { chain } from "./promise.js";

const NEWLINE = 10;

export class Lines {
  #reader;
  #bytes = new Uint8Array(0);
  #decoder = new TextDecoder();

  constructor(response) {
    this.#reader = chain(response, (response) => getReader(responseBody(response)));
  }

  // Returns the next line, or undefined at the end.
  async next() {
    const reader = await this.#reader;
    let end = bytesIndexOf(this.#bytes, NEWLINE);
    while (end < 0) {
      const { done, value } = await readerRead(reader);
      if (done) return undefined;
      end = bytesIndexOf(value, NEWLINE);
      if (end >= 0) end += byteLength(this.#bytes);
      this.#bytes = joined(this.#bytes, value);
    }
    const line = decode(this.#decoder, bytesPart(this.#bytes, 0, end));
    this.#bytes = bytesPart(this.#bytes, end + 1);
    return line;
  }
}

function joined(first, second) {
  if (byteLength(first) === 0) return second;
  const both = new Uint8Array(byteLength(first) + byteLength(second));
  bytesSet(both, first);
  bytesSet(both, second, byteLength(first));
  return both;
}
