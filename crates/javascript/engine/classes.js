// Replaces classes of the engine.

import { define, getOwn, keys } from "./builtins.js";

// Adds members to a class of the engine, and makes the class the global of that name,
// with another constructor.
export function replace(Native, Own, members) {
  const { prototype } = Native;
  addMembers(prototype, members);
  const { name } = Native;
  // The bundler may have renamed the constructor.
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

// Returns the message for a class that is called as a function.
export function needsNew(name) {
  return `Failed to construct '${name}': Please use the 'new' operator, this object constructor cannot be called as a function.`;
}

// Defines a property that a version of the engine may lack.
export function lacked(target, name, value) {
  if (!(name in target)) define(target, name, { value, writable: true, configurable: true });
}
