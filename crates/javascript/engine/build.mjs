// Builds the engine component: `node build.mjs SOURCE WIT OUTPUT`, where SOURCE is the
// engine's JavaScript in one file.

import { componentize } from "@bytecodealliance/componentize-js";
import { readFile, writeFile } from "node:fs/promises";
import { argv } from "node:process";
import { changed } from "./embedding.mjs";

const [sourcePath, witPath, output] = argv.slice(2);

// The module that generates the bindings is not exported by its package.
const main = import.meta.resolve("@bytecodealliance/componentize-js");
const { splicer } = await import(new URL("../lib/spidermonkey-embedding-splicer.js", main));

function replaced(text, pattern, replacement) {
  if (text.search(pattern) < 0) throw new Error(`nothing in the code looks like ${pattern}`);
  return text.replace(pattern, replacement);
}

// Replaces the bundler's helper for `async` functions with one that uses the built-ins
// which the engine keeps, so that it is independent of changes that a Worker makes.
const source = await readFile(sourcePath, "utf8");
const driven = replaced(source, /^var __async = \([^]*?^};$/m, "var __async = drive;");
await writeFile(sourcePath, driven);

// The bindings between JavaScript and the host run in a global scope of their own,
// except for two things that are replaced here: how text is encoded, and how pairs are
// destructured. They also count the bytes of each text in JavaScript, and describe each
// call for debugging, which takes more time than the calls.
//
// No script can import the engine's modules (`embedding.mjs`). As a second line of
// defence, the functions of a module are handed out only once, and nothing else of that
// scope is.
const ONCE = `const once = (functions) => {
  const take = () => {
    const taken = functions;
    functions = undefined;
    return taken;
  };
  return { take: Object.setPrototypeOf(take, null) };
};
`;

// Longer texts are encoded before there is memory for them.
const SHORT = 1024;

const ENCODE = `function _utf8AllocateAndEncode(s, realloc, memory) {
  if (typeof s !== 'string') throw new TypeError('expected a string');
  if (s.length === 0) return { ptr: 1, len: 0 };
  if (s.length > ${SHORT}) {
    const bytes = TEXT_ENCODER_UTF8.encode(s);
    const ptr = realloc(0, 0, 1, bytes.length);
    new Uint8Array(memory.buffer, ptr, bytes.length).set(bytes);
    return { ptr, len: bytes.length };
  }
  const most = s.length * 3;
  const ptr = realloc(0, 0, 1, most);
  const { written } = TEXT_ENCODER_UTF8.encodeInto(s, new Uint8Array(memory.buffer, ptr, most));
  return { ptr, len: written };
}`;

function quick(bindings) {
  const silent = replaced(bindings, /^ *_debugLog\('[^']*', \{[^{}]*\}\);$/gm, "");
  return replaced(silent, /^function _utf8AllocateAndEncode\([^]*?^\}/m, () => ENCODE);
}

function hardened(bindings) {
  const coders = replaced(
    bindings,
    /^const (TEXT_..CODER_UTF8) = new (\w+)\(\);$/gm,
    "const $1 = Object.defineProperties(new $2(), Object.getOwnPropertyDescriptors($2.prototype));",
  );
  const pairs = replaced(coders, /var \[(\w+), (\w+)\] = (\w+);/g, "var $1 = $3[0], $2 = $3[1];");
  const module = /^defineBuiltinModule\('([^']+)', (\{[^]*?^\})\);$/gm;
  return ONCE + replaced(pairs, module, (_, name, functions) =>
    // The engine uses no resources.
    name.includes("/types@") ? "" : `defineBuiltinModule('${name}', once(${functions}));`,
  );
}

const { spliceBindings } = splicer;
splicer.spliceBindings = (embedding, ...options) => {
  const spliced = spliceBindings(changed(embedding), ...options);
  return { ...spliced, jsBindings: hardened(quick(spliced.jsBindings)) };
};

const { component } = await componentize({
  sourcePath,
  witPath,
  worldName: "engine",
  // Events are passed to `script`.
  disableFeatures: ["fetch-event"],
});
await writeFile(output, component);
