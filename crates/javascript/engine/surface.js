// Prevents calls that would abort the engine.

import { apply, isView } from "./builtins.js";
import { addMembers } from "./classes.js";

const { ReadableStreamBYOBReader } = globalThis;
const { read: readInto } = ReadableStreamBYOBReader.prototype;

// Globals that workerd does not have.
const ABSENT = ["MultipartFormData", "WorkerLocation", "location"];

const URLS = {
  createObjectURL() {
    throw new Error("URL.createObjectURL() is not implemented.");
  },
};

const READER = {
  // The native method accepts any object as a view.
  read(view, options) {
    if (isView(view)) return apply(readInto, this, [view, options]);
    return new Promise((_, reject) => reject(new TypeError(NO_VIEW)));
  },
};

const NO_VIEW =
  "Failed to execute 'read' on 'ReadableStreamBYOBReader': parameter 1 is not of type 'ArrayBufferView'.";

export function install() {
  for (let index = 0; index < ABSENT.length; index += 1) delete globalThis[ABSENT[index]];
  addMembers(URL, URLS);
  addMembers(ReadableStreamBYOBReader.prototype, READER);
}
