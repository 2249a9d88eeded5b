// The lines of a body, each as soon as it is there.

const NEWLINE = 10;

export class Lines {
  #reader;
  #bytes = new Uint8Array(0);
  #decoder = new TextDecoder();

  constructor(response) {
    this.#reader = response.then(({ body }) => body.getReader());
  }

  // The next line, or undefined at the end.
  async next() {
    const reader = await this.#reader;
    let end = this.#bytes.indexOf(NEWLINE);
    while (end < 0) {
      const { done, value } = await reader.read();
      if (done) return undefined;
      end = value.indexOf(NEWLINE);
      if (end >= 0) end += this.#bytes.length;
      this.#bytes = joined(this.#bytes, value);
    }
    const line = this.#decoder.decode(this.#bytes.subarray(0, end));
    this.#bytes = this.#bytes.subarray(end + 1);
    return line;
  }
}

function joined(first, second) {
  if (first.length === 0) return second;
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}
