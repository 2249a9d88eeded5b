// The class CustomEvent, whose second argument is optional.

import { construct } from "./builtins.js";
import { needsNew, replace } from "./classes.js";

const { CustomEvent: Native } = globalThis;

function CustomEvent(type, init) {
  if (new.target === undefined) throw new TypeError(needsNew("CustomEvent"));
  if (arguments.length === 0) {
    throw new TypeError(
      "Failed to construct 'CustomEvent': constructor parameter 1 is not of type 'string'.",
    );
  }
  return construct(Native, [type, init], new.target);
}

export function install() {
  replace(Native, CustomEvent, {});
}
