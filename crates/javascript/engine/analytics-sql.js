// `env.ANALYTICS_SQL`: queries of what Workers have left.

import { define, parse, responseStatus, responseText, stringify } from "./builtins.js";
import { ask } from "./wire.js";

const { Error, TypeError } = globalThis;

const OK = 200;

// The query may have an answer later.
const LATER = 503;

export class AnalyticsSql {
  #binding;

  constructor(binding) {
    this.#binding = binding;
  }

  async query({ query, params } = {}) {
    if (typeof query !== "string") throw new TypeError("query() takes an object with a string as `query`.");
    const request = { __proto__: null, query, params: params ?? null };
    const response = await ask("sql", { __proto__: null, sql: this.#binding }, stringify(request));
    const text = await responseText(response);
    const status = responseStatus(response);
    if (status === OK) return parse(text);
    const error = new Error(text);
    define(error, "retryable", { value: status === LATER, enumerable: true });
    throw error;
  }
}
