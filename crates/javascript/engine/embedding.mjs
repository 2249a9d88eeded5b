// Changes to the engine's own compiled code. Each one changes a few bytes that occur
// exactly once.

const MIB = 1 << 20;
const I32 = { constant: 0x41, store: 0x36, align: 2 };
const I64 = { constant: 0x42, store: 0x37, align: 3 };
const PAIR = { ...I64, align: 2 };

// Parameters of the garbage collector: where the engine stores them, and better values.
//
// The heap may grow to the memory of the component, which the host limits. The engine's
// own limit would be reached first. With little memory, garbage must be collected
// early, since it takes the place of live objects.
const HEAP = [
  // The maximum size of the heap.
  [I32, 0, 32n * BigInt(MIB), -1n],
  // The minimum and maximum sizes of the nursery.
  [PAIR, 2324, pair(MIB / 4, 64 * MIB), pair(MIB / 4, 8 * MIB)],
  // The growth factor of the heap between frequent collections.
  [I64, 2376, double(3), double(1.5)],
  // Nanoseconds between two collections that are caused by refused memory.
  [I64, 2440, 60_000_000_000n, 1_000_000_000n],
];

// `InitClass` chooses the class of a prototype: `protoClass ? protoClass :
// PlainObject`. The engine's own classes pass the class of their instances, so a
// prototype counts as an instance without data. With this change, it has the class of
// plain objects.
const PLAIN_OBJECT = [0x41, 0x90, 0x9d, 0x87, 0x01];
const SELECT = 0x1b;
const GIVEN = [0x20, 0x02];
const NEVER = [0x41, 0x00];
const PROTOTYPE = [...GIVEN, ...PLAIN_OBJECT, ...GIVEN, SELECT];
const PLAIN_PROTOTYPE = [...GIVEN, ...PLAIN_OBJECT, ...NEVER, SELECT];

// `import()` looks for a file unless the engine has a module of that name, and the
// search for files aborts a component that has none. The bundler replaces the imports
// that it finds. The others, in text that is evaluated, must fail with an error. So the
// branch for a missing module hook is always taken, its error message is replaced, and
// the call of the hook is removed, except for the local variable that it sets.
const IMPORT = [
  ["2203 45 0440 2000 41fda4c200 108349", "2203 01 0440 2000 41fda4c200 108349"],
  ["0c01 0b", "0101 0b"],
  ["2000 2001 2004 41a802 6a 41d09a8901", "0101 0101 0101 010101 01 0101010101"],
  ["2004 41b001 6a 2201", "2004 41b001 6a 2101"],
  ["4100 4101 2003 110a00 0d00", "0101 0101 0101 010101 0101"],
];
const NO_HOOK = "Module load hook not set";
const NO_IMPORT = "import() cannot be used.";

function pair(low, high) {
  return BigInt(low) | (BigInt(high) << 32n);
}

function double(value) {
  return new BigInt64Array(Float64Array.of(value).buffer)[0];
}

// Encodes a number in LEB128, in `length` bytes or as few as possible.
function leb128(value, length) {
  const bytes = [];
  for (let isLast = false; !isLast; value >>= 7n) {
    const low = Number(value & 0x7fn);
    const rest = value >> 7n;
    isLast = length === undefined ? rest === (low & 0x40 ? -1n : 0n) : bytes.length === length - 1;
    bytes.push(isLast ? low : low | 0x80);
  }
  return bytes;
}

function hex(texts) {
  return Buffer.from(texts.join("").replaceAll(" ", ""), "hex");
}

function stored({ constant, store, align }, offset, number) {
  return [constant, ...number, store, align, ...(offset < 128 ? [offset] : leb128(BigInt(offset), 2))];
}

function replace(code, from, to) {
  const old = Buffer.from(from);
  const at = code.indexOf(old);
  if (at < 0 || code.includes(old, at + 1)) {
    throw new Error(`the code of the engine has not one place with ${old.toString("hex")}`);
  }
  Buffer.from(to).copy(code, at);
}

// Returns the embedding with all changes applied.
export function changed(embedding) {
  const code = Buffer.from(embedding);
  for (const [type, offset, from, to] of HEAP) {
    const number = leb128(from);
    const better = leb128(to, number.length);
    replace(code, stored(type, offset, number), stored(type, offset, better));
  }
  replace(code, PROTOTYPE, PLAIN_PROTOTYPE);
  replace(code, hex(IMPORT.map(([old]) => old)), hex(IMPORT.map(([, changed]) => changed)));
  replace(code, NO_HOOK, NO_IMPORT);
  return code;
}
