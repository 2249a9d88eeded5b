// TextDecoderStream and TextEncoderStream, which the engine lacks.

import {
  charCodeAt,
  decode,
  decoderEncoding,
  decoderFatal,
  decoderIgnoreBOM,
  encode,
  enqueue,
  inherits,
  isView,
  slice,
  transformReadable,
  transformWritable,
} from "./builtins.js";
import { lacked } from "./classes.js";

class TextDecoderStream {
  #decoder;
  #stream;

  constructor(label = "utf-8", options = undefined) {
    const decoder = new TextDecoder(label, options);
    this.#decoder = decoder;
    this.#stream = new TransformStream({
      __proto__: null,
      transform(chunk, controller) {
        if (!isView(chunk) && !inherits(chunk, ArrayBuffer.prototype)) throw new TypeError(NO_BYTES);
        enqueueText(controller, decode(decoder, chunk, { __proto__: null, stream: true }));
      },
      flush(controller) {
        enqueueText(controller, decode(decoder));
      },
    });
  }

  get encoding() {
    return decoderEncoding(this.#decoder);
  }

  get fatal() {
    return decoderFatal(this.#decoder);
  }

  get ignoreBOM() {
    return decoderIgnoreBOM(this.#decoder);
  }

  get readable() {
    return transformReadable(this.#stream);
  }

  get writable() {
    return transformWritable(this.#stream);
  }

  get [Symbol.toStringTag]() {
    return "TextDecoderStream";
  }
}

const NO_BYTES =
  "This TransformStream is being used as a byte stream, but received a value that is not a BufferSource.";

function enqueueText(controller, text) {
  if (text !== "") enqueue(controller, text);
}

class TextEncoderStream {
  #stream;

  constructor() {
    const encoder = new TextEncoder();
    // The first half of a surrogate pair whose second half is in the next chunk.
    let half = "";
    this.#stream = new TransformStream({
      __proto__: null,
      transform(chunk, controller) {
        let text = half + `${chunk}`;
        const last = charCodeAt(text, text.length - 1);
        half = last >= 0xd800 && last <= 0xdbff ? slice(text, text.length - 1) : "";
        text = slice(text, 0, text.length - half.length);
        if (text !== "") enqueue(controller, encode(encoder, text));
      },
      flush(controller) {
        if (half !== "") enqueue(controller, encode(encoder, half));
      },
    });
  }

  get encoding() {
    return "utf-8";
  }

  get readable() {
    return transformReadable(this.#stream);
  }

  get writable() {
    return transformWritable(this.#stream);
  }

  get [Symbol.toStringTag]() {
    return "TextEncoderStream";
  }
}

export function install() {
  lacked(globalThis, "TextDecoderStream", TextDecoderStream);
  lacked(globalThis, "TextEncoderStream", TextEncoderStream);
}
