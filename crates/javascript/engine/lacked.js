// What a version of the engine may lack.

import { define } from "./builtins.js";

export function lacked(target, name, value) {
  if (!(name in target)) define(target, name, { value, writable: true, configurable: true });
}
