// `env.KV`: KV namespaces.

import { append, inherits, isArray, isView, mapSet, responseArrayBuffer, responseBody, responseStatus, responseText } from "./builtins.js";
import { ask, fromHost } from "./wire.js";

export class KvNamespace {
  #binding;

  constructor(binding) {
    this.#binding = binding;
  }

  async get(key, options) {
    if (isArray(key)) return many(key, (name) => this.get(name, options));
    return (await this.getWithMetadata(key, options)).value;
  }

  async getWithMetadata(key, options) {
    if (isArray(key)) return many(key, (name) => this.getWithMetadata(name, options));
    const response = await this.#ask({ get: String(key) });
    if (responseStatus(response) === 404) return { value: null, metadata: null, cacheStatus: null };
    const metadata = JSON.parse(fromHost(response, "metadata"));
    return { value: await read(response, typeOf(options)), metadata, cacheStatus: null };
  }

  async put(key, value, { expiration, expirationTtl, metadata } = {}) {
    const isStream = inherits(value, ReadableStream.prototype);
    const isBytes = inherits(value, ArrayBuffer.prototype) || isView(value);
    if (typeof value !== "string" && !isStream && !isBytes) {
      throw new TypeError(
        "KV put() accepts only strings, ArrayBuffers, ArrayBufferViews, and ReadableStreams as values.",
      );
    }
    const put = { __proto__: null, key: String(key), expiration, expirationTtl, metadata };
    await this.#ask({ put }, value);
  }

  async delete(key) {
    await this.#ask({ delete: String(key) });
  }

  async list({ prefix, limit, cursor } = {}) {
    const list = {
      __proto__: null,
      prefix: prefix ?? undefined,
      limit: limit ?? undefined,
      cursor: cursor ?? undefined,
    };
    return JSON.parse(await responseText(await this.#ask({ list })));
  }

  #ask(operation, body) {
    return ask("kv", { __proto__: null, kv: this.#binding, ...operation }, body);
  }
}

// Gets the values of several keys at once.
async function many(keys, get) {
  const asked = [];
  for (let index = 0; index < keys.length; index += 1) append(asked, get(keys[index]));
  const values = new Map();
  for (let index = 0; index < keys.length; index += 1) mapSet(values, keys[index], await asked[index]);
  return values;
}

function typeOf(options) {
  return (typeof options === "string" ? options : options?.type) ?? "text";
}

async function read(response, type) {
  switch (type) {
    case "text":
      return responseText(response);
    case "json":
      return JSON.parse(await responseText(response));
    case "arrayBuffer":
      return responseArrayBuffer(response);
    case "stream":
      return responseBody(response);
    default:
      throw new TypeError(
        'Unknown response type. Possible types are "text", "arrayBuffer", "json", and "stream".',
      );
  }
}
