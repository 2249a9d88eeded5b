// How a class of the engine's becomes one of ours.

import { define, getOwn, keys } from "./builtins.js";

// Has the engine's class have these members, and makes it the global of that
// name with this constructor.
export function replace(Native, Own, members) {
  const { prototype } = Native;
  addMembers(prototype, members);
  const { name } = Native;
  // The bundler may have given it another one.
  define(Own, "name", { value: name });
  define(Own, "prototype", { value: prototype, writable: false });
  define(prototype, "constructor", { value: Own, writable: true, configurable: true });
  define(globalThis, name, { value: Own, writable: true, configurable: true });
}

export function addMembers(target, members) {
  const names = keys(members);
  for (let index = 0; index < names.length; index += 1) {
    const { value, get } = getOwn(members, names[index]);
    const attributes = get === undefined ? { value, writable: true } : { get };
    define(target, names[index], { ...attributes, enumerable: true, configurable: true });
  }
}

// What is told of one that is called as a function.
export function needsNew(name) {
  return `Failed to construct '${name}': Please use the 'new' operator, this object constructor cannot be called as a function.`;
}

// What a version of the engine may lack.
export function lacked(target, name, value) {
  if (!(name in target)) define(target, name, { value, writable: true, configurable: true });
}
