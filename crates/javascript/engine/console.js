// `console`: five methods are recorded. The others exist, but do nothing.

import * as host from "./host.js";
import { bare, define, getPrototypeOf, isArray, objectPrototype, stringify } from "./builtins.js";
import { currentInvocation } from "./context.js";
import { errorInfo, isError } from "./failure.js";

const RECORDED = ["debug", "error", "info", "log", "warn"];
const SILENT = [
  "dir",
  "dirxml",
  "table",
  "trace",
  "group",
  "groupCollapsed",
  "groupEnd",
  "clear",
  "count",
  "countReset",
  "assert",
  "profile",
  "profileEnd",
  "time",
  "timeLog",
  "timeEnd",
  "timeStamp",
  "context",
];

export function record(level, args) {
  if (currentInvocation()?.over) return;
  const message = bare([]);
  const errors = bare([]);
  let hasErrors = false;
  for (let index = 0; index < args.length; index += 1) {
    const argument = args[index];
    message[index] = json(argument);
    errors[index] = isError(argument) ? errorInfo(argument) : undefined;
    hasErrors ||= errors[index] !== undefined;
  }
  if (hasErrors) host.logErrors(level, message, errors);
  else host.log(level, message);
}

// Returns an argument as JSON, by workerd's rules: values that JSON can represent as
// they are, and everything else converted to a string.
function json(value) {
  try {
    return stringify(holds(value) ? value : `${value}`) ?? "null";
  } catch {
    return "{}";
  }
}

function holds(value) {
  if (value === null || value === undefined) return true;
  switch (typeof value) {
    case "boolean":
    case "number":
    case "string":
      return true;
    case "object":
    case "function": {
      if (typeof value.toJSON === "function" || isArray(value)) return true;
      if (typeof value === "function") return false;
      const prototype = getPrototypeOf(value);
      return prototype === objectPrototype || prototype === null;
    }
    default:
      return false;
  }
}

export const console = {};
for (let index = 0; index < RECORDED.length; index += 1) {
  console[RECORDED[index]] = (...args) => record(RECORDED[index], args);
}
for (let index = 0; index < SILENT.length; index += 1) {
  console[SILENT[index]] = () => {};
}
define(console, Symbol.toStringTag, { value: "console" });
