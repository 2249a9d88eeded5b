// `ctx.storage` of a Durable Object.

import { deserialize, serialize } from "capnweb";
import { storage } from "taffrail:javascript/host@0.1.0";

function ask(request) {
  const { ok, error } = JSON.parse(storage(JSON.stringify(request)));
  if (error !== undefined) throw new Error(error);
  return ok;
}

function read([key, text]) {
  return [key, deserialize(text)];
}

export class DurableObjectStorage {
  async get(keys) {
    const many = Array.isArray(keys);
    const found = ask({ get: many ? keys : [String(keys)] }).map(read);
    return many ? new Map(found) : found[0]?.[1];
  }

  async put(entries, value) {
    const given = typeof entries === "object" ? Object.entries(entries) : [[String(entries), value]];
    const put = {};
    for (const [key, value] of given) {
      if (value === undefined) throw new TypeError("put() called with undefined value.");
      put[key] = serialize(value);
    }
    ask({ put });
  }

  async delete(keys) {
    const many = Array.isArray(keys);
    const removed = ask({ delete: many ? keys : [String(keys)] });
    return many ? removed : removed > 0;
  }

  async list(options = {}) {
    return new Map(ask({ list: options }).map(read));
  }

  async deleteAll() {
    ask({ deleteAll: {} });
  }

  async getAlarm() {
    return ask({ getAlarm: {} });
  }

  async setAlarm(time) {
    ask({ setAlarm: Math.max(0, Math.trunc(Number(time))) });
  }

  async deleteAlarm() {
    ask({ setAlarm: null });
  }

  // What is put is there at once.
  async sync() {}
}
