// What is changed in the engine's own code, which comes compiled. Each change is of
// a few bytes that are found in one place.

const MIB = 1 << 20;
const I32 = { constant: 0x41, store: 0x36, align: 2 };
const I64 = { constant: 0x42, store: 0x37, align: 3 };
const PAIR = { ...I64, align: 2 };

// How the engine manages its heap: where it stores which number, and a better one.
//
// The heap may be as large as the memory of the component, which the host limits,
// and a limit of the engine's own would come first. In little memory, garbage has
// to go early, or it takes the place of what is none.
const HEAP = [
  // The most bytes of the heap.
  [I32, 0, 32n * BigInt(MIB), -1n],
  // The fewest and most bytes for objects that are young.
  [PAIR, 2324, pair(MIB / 4, 64 * MIB), pair(MIB / 4, 8 * MIB)],
  // By how much it grows between one collection and the next soon after it.
  [I64, 2376, double(3), double(1.5)],
  // Nanoseconds between two collections because memory was refused.
  [I64, 2440, 60_000_000_000n, 1_000_000_000n],
];

// `InitClass` chooses the class of a prototype: `protoClass ? protoClass : PlainObject`.
// The engine's own classes pass that of their instances, and take a prototype for an
// instance, with nothing in it. So it is that of plain objects.
const PLAIN_OBJECT = [0x41, 0x90, 0x9d, 0x87, 0x01];
const SELECT = 0x1b;
const GIVEN = [0x20, 0x02];
const NEVER = [0x41, 0x00];
const PROTOTYPE = [...GIVEN, ...PLAIN_OBJECT, ...GIVEN, SELECT];
const PLAIN_PROTOTYPE = [...GIVEN, ...PLAIN_OBJECT, ...NEVER, SELECT];

// `import()` looks for a file unless the engine has a module of that name, and to look
// for files is the end of a component that has none. What a bundler finds it replaces;
// the rest of it, in texts that are evaluated, fails with an error. So the branch is
// taken in which there is no hook to load modules, its error is kept, and the call of
// the hook is left out, but for the local variable that it sets.
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

// A number as WebAssembly has it, in `length` bytes or as few as will do.
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

// The embedding with all changes.
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
