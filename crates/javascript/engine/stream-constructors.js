// The constructors of streams. As in the Streams standard, each member of the
// underlying source or sink is read once and checked. It is bound to the frame of the
// code that creates the stream, since the engine calls it without a frame. The engine
// accepts no other types.

import { construct, define, isObject } from "./builtins.js";
import { currentFrame, enter, isOver } from "./context.js";

const { RangeError, String, TypeError } = globalThis;
const natives = {
  __proto__: null,
  ReadableStream: globalThis.ReadableStream,
  TransformStream: globalThis.TransformStream,
  WritableStream: globalThis.WritableStream,
};

// Returns a constructor that passes on the arguments returned by `convert`.
function constructor(name, convert) {
  const native = natives[name];
  const made = function (...args) {
    if (new.target === undefined) {
      throw new TypeError(
        `Failed to construct '${name}': Please use the 'new' operator, this object constructor cannot be called as a function.`,
      );
    }
    return construct(native, convert(args), new.target);
  };
  define(made, "name", { value: name });
  define(made, "length", { value: 0 });
  define(made, "prototype", { value: native.prototype, writable: false });
  return made;
}

export const ReadableStream = constructor("ReadableStream", (args) => {
  const source = argument("ReadableStream", args, 0, "UnderlyingSource");
  const strategy = strategyOf("ReadableStream", args, 1);
  const converted = { __proto__: null };
  const autoAllocateChunkSize = source.autoAllocateChunkSize;
  takeCallbacks(source, "UnderlyingSource", ["cancel", "pull", "start"], converted);
  const type = source.type;
  if (type !== undefined) {
    if (String(type) !== "bytes") {
      throw new TypeError(`"${String(type)}" is not a valid type of ReadableStream.`);
    }
    converted.type = "bytes";
    if (autoAllocateChunkSize !== undefined) {
      converted.autoAllocateChunkSize = chunkSize(autoAllocateChunkSize);
    }
    if (strategy.size !== undefined) {
      throw new RangeError("A stream of bytes has no 'size' in its strategy.");
    }
  }
  return [converted, strategy];
});

export const WritableStream = constructor("WritableStream", (args) => {
  const sink = argument("WritableStream", args, 0, "UnderlyingSink");
  const strategy = strategyOf("WritableStream", args, 1);
  const converted = { __proto__: null };
  takeCallbacks(sink, "UnderlyingSink", ["abort", "close", "start"], converted);
  absent(sink, "sink", "type");
  takeCallbacks(sink, "UnderlyingSink", ["write"], converted);
  return [converted, strategy];
});

export const TransformStream = constructor("TransformStream", (args) => {
  const transformer = argument("TransformStream", args, 0, "Transformer");
  const writable = strategyOf("TransformStream", args, 1);
  const readable = strategyOf("TransformStream", args, 2);
  const converted = { __proto__: null };
  takeCallbacks(transformer, "Transformer", ["flush"], converted);
  absent(transformer, "transformer", "readableType");
  takeCallbacks(transformer, "Transformer", ["start", "transform"], converted);
  absent(transformer, "transformer", "writableType");
  return [converted, writable, readable];
});

const NOTHING = { __proto__: null };

// Returns an argument, which may be missing, and whose members are yet to be read.
function argument(name, args, index, kind) {
  const value = args[index];
  if (value === undefined || value === null) return NOTHING;
  if (isObject(value)) return value;
  throw new TypeError(
    `Failed to construct '${name}': constructor parameter ${index + 1} is not of type '${kind}'.`,
  );
}

function strategyOf(name, args, index) {
  const strategy = argument(name, args, index, "StreamQueuingStrategy");
  const converted = { __proto__: null };
  const { highWaterMark } = strategy;
  if (highWaterMark !== undefined) {
    const limit = +highWaterMark;
    if (!(limit >= 0)) throw new RangeError(`'highWaterMark' is ${limit}: it must be 0 or more.`);
    converted.highWaterMark = limit;
  }
  takeCallbacks(undefined, "StreamQueuingStrategy", ["size"], converted, strategy);
  return converted;
}

function chunkSize(value) {
  const size = +value;
  if (size === 0) throw new TypeError("The autoAllocateChunkSize option cannot be zero.");
  if (!(size >= 1 && size <= LONGEST)) {
    throw new TypeError(`'autoAllocateChunkSize' is ${size}: it must be a whole number.`);
  }
  return size - (size % 1);
}

// The maximum length of an `ArrayBuffer`.
const LONGEST = 2 ** 31 - 1;

function absent(holder, what, name) {
  if (holder[name] !== undefined) throw new RangeError(`${what}.${name} must be undefined.`);
}

// Reads the functions with these names, and binds them to the frame and to `receiver`.
function takeCallbacks(receiver, kind, names, converted, holder = receiver) {
  for (let index = 0; index < names.length; index += 1) {
    const name = names[index];
    const callback = holder[name];
    if (callback === undefined) continue;
    if (typeof callback !== "function") {
      throw new TypeError(
        `Incorrect type for the '${name}' field on '${kind}': the provided value is not of type 'function'.`,
      );
    }
    converted[name] = inFrame(receiver, callback);
  }
}

function inFrame(receiver, callback) {
  const frame = currentFrame();
  return (...args) => {
    if (isOver(frame)) throw new TypeError("The event that made this stream is over.");
    return enter(frame, callback, receiver, args);
  };
}

export function install() {
  const classes = { __proto__: null, ReadableStream, TransformStream, WritableStream };
  for (const name in classes) {
    define(natives[name].prototype, "constructor", { value: classes[name], writable: true, configurable: true });
    define(globalThis, name, { value: classes[name], writable: true, configurable: true });
  }
}
