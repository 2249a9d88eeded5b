// `env.KV`: KV namespaces.

import { ask } from "./http.js";

export class KvNamespace {
  #binding;

  constructor(binding) {
    this.#binding = binding;
  }

  async get(key, options) {
    if (Array.isArray(key)) return this.#many(key, (name) => this.get(name, options));
    return (await this.getWithMetadata(key, options)).value;
  }

  async getWithMetadata(key, options) {
    if (Array.isArray(key)) return this.#many(key, (name) => this.getWithMetadata(name, options));
    const response = await this.#ask({ get: String(key) });
    if (response.status === 404) return { value: null, metadata: null, cacheStatus: null };
    const metadata = JSON.parse(response.headers.get("taffrail-metadata"));
    return { value: await read(response, typeOf(options)), metadata, cacheStatus: null };
  }

  async put(key, value, { expiration, expirationTtl, metadata } = {}) {
    const isStream = value instanceof ReadableStream;
    const isBytes = value instanceof ArrayBuffer || ArrayBuffer.isView(value);
    if (typeof value !== "string" && !isStream && !isBytes) {
      throw new TypeError(
        "KV put() accepts only strings, ArrayBuffers, ArrayBufferViews, and ReadableStreams as values.",
      );
    }
    await this.#ask({ put: { key: String(key), expiration, expirationTtl, metadata } }, value);
  }

  async delete(key) {
    await this.#ask({ delete: String(key) });
  }

  async list({ prefix, limit, cursor } = {}) {
    const response = await this.#ask({
      list: { prefix: prefix ?? undefined, limit: limit ?? undefined, cursor: cursor ?? undefined },
    });
    return response.json();
  }

  async #many(keys, get) {
    const entries = keys.map(async (key) => [key, await get(key)]);
    return new Map(await Promise.all(entries));
  }

  #ask(operation, body) {
    return ask({ kv: this.#binding, ...operation }, body);
  }
}

function typeOf(options) {
  return (typeof options === "string" ? options : options?.type) ?? "text";
}

function read(response, type) {
  switch (type) {
    case "text":
      return response.text();
    case "json":
      return response.json();
    case "arrayBuffer":
      return response.arrayBuffer();
    case "stream":
      return response.body;
    default:
      throw new TypeError(
        'Unknown response type. Possible types are "text", "arrayBuffer", "json", and "stream".',
      );
  }
}
