// The lines of a body, each as soon as it arrives.

import { byteLength, bytesIndexOf, bytesPart, bytesSet, decode, getReader, readerCancel, readerRead, responseBody } from "./builtins.js";
import { chain, react } from "./promise.js";

const NEWLINE = 10;

export class Lines {
  #reader;
  #bytes = new Uint8Array(0);
  // How many of these bytes are known to be no end of a line.
  #searched = 0;
  #decoder = new TextDecoder();

  constructor(response) {
    this.#reader = chain(response, (response) => getReader(responseBody(response)));
  }

  // Returns the next line, or undefined at the end.
  async next() {
    const reader = await this.#reader;
    let line = this.arrived();
    while (line === undefined) {
      const { done, value } = await readerRead(reader);
      if (done) return undefined;
      this.#bytes = joined(this.#bytes, value);
      line = this.arrived();
    }
    return line;
  }

  // Returns the next line if all of it has arrived.
  arrived() {
    const end = bytesIndexOf(this.#bytes, NEWLINE, this.#searched);
    if (end < 0) {
      this.#searched = byteLength(this.#bytes);
      return undefined;
    }
    const line = decode(this.#decoder, bytesPart(this.#bytes, 0, end));
    this.#bytes = bytesPart(this.#bytes, end + 1);
    this.#searched = 0;
    return line;
  }

  // Tells the sender that nothing more will be read.
  cancel() {
    const over = () => {};
    react(chain(this.#reader, readerCancel), over, over);
  }
}

function joined(first, second) {
  if (byteLength(first) === 0) return second;
  const both = new Uint8Array(byteLength(first) + byteLength(second));
  bytesSet(both, first);
  bytesSet(both, second, byteLength(first));
  return both;
}
