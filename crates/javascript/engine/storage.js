// `ctx.storage` of a Durable Object.

import { deserialize, serialize } from "capnweb";
import { isArray, keys, mapSet, parse, set, stringify } from "./builtins.js";
import { storage } from "./host.js";

function ask(request) {
  const { ok, error } = parse(storage(stringify({ __proto__: null, ...request })));
  if (error !== undefined) throw new Error(error);
  return ok;
}

// Returns found entries as a Map.
function entries(found) {
  const map = new Map();
  for (let index = 0; index < found.length; index += 1) {
    mapSet(map, found[index][0], deserialize(found[index][1]));
  }
  return map;
}

export class DurableObjectStorage {
  #hasAlarm;

  // `hasAlarm` is whether the object's class has an alarm handler.
  constructor(hasAlarm) {
    this.#hasAlarm = hasAlarm;
  }

  async get(keys) {
    if (isArray(keys)) return entries(ask({ get: keys }));
    const found = ask({ get: [String(keys)] });
    return found.length === 0 ? undefined : deserialize(found[0][1]);
  }

  async put(entries, value) {
    const put = { __proto__: null };
    const add = (key, value) => {
      if (value === undefined) throw new TypeError("put() called with undefined value.");
      set(put, key, serialize(value));
    };
    if (typeof entries === "object") {
      const names = keys(entries);
      for (let index = 0; index < names.length; index += 1) add(names[index], entries[names[index]]);
    } else {
      add(String(entries), value);
    }
    ask({ put });
  }

  async delete(keys) {
    const many = isArray(keys);
    const removed = ask({ delete: many ? keys : [String(keys)] });
    return many ? removed : removed > 0;
  }

  async list(options = {}) {
    return entries(ask({ list: options }));
  }

  async deleteAll() {
    ask({ deleteAll: { __proto__: null } });
  }

  async getAlarm() {
    return ask({ getAlarm: { __proto__: null } });
  }

  async setAlarm(time) {
    if (!this.#hasAlarm) {
      throw new TypeError(
        "Your Durable Object class must have an alarm() handler in order to call setAlarm()",
      );
    }
    ask({ setAlarm: Math.max(0, Math.trunc(Number(time))) });
  }

  async deleteAlarm() {
    ask({ setAlarm: null });
  }

  // Writes take effect at once.
  async sync() {}
}
