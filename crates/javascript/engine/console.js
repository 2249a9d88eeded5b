// `console`: five methods are recorded, the others are there and do nothing.

import * as host from "taffrail:workers/console@0.2.0";
import { isError, nameOf, withoutHeader } from "./failure.js";

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

export function record(level, ...args) {
  const message = args.map(json);
  if (args.some(isError)) {
    host.logErrors(level, message, args.map(errorInfo));
  } else {
    host.log(level, message);
  }
}

// An argument as JSON, by workerd's rules: what JSON can hold, and everything
// else as the string it converts to.
function json(value) {
  try {
    const text = JSON.stringify(holds(value) ? value : `${value}`);
    return text === undefined ? "null" : text;
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
    case "function":
      if (typeof value.toJSON === "function" || Array.isArray(value)) return true;
      if (typeof value === "function") return false;
      return [Object.prototype, null].includes(Object.getPrototypeOf(value));
    default:
      return false;
  }
}

function errorInfo(value) {
  if (!isError(value)) return undefined;
  const name = nameOf(value);
  const message = String(value.message);
  return { name, message, stack: withoutHeader(value.stack, name, message) };
}

export const console = {};
for (const level of RECORDED) {
  console[level] = (...args) => record(level, ...args);
}
for (const method of SILENT) {
  console[method] = () => {};
}
Object.defineProperty(console, Symbol.toStringTag, { value: "console" });
