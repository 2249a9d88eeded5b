// The text of functions in the user's own source.

import { contains, functionToString } from "./builtins.js";
import { sourceText } from "./host.js";

export function textOf(callable) {
  const text = functionToString(callable);
  return contains(text, "[native code]") ? text : sourceText(text);
}
