// `env.LOADER`: loads dynamic Workers.

import { apply, byteLength, bytesPart, endsWith, fromCharCode, isObject, isView, keys, listed, mapped, responseText, set, stringify } from "./builtins.js";
import { failure } from "./failure.js";
import { calleeOf, fetcher, plain } from "./services.js";
import { ask } from "./wire.js";

export class WorkerLoader {
  #binding;

  constructor(binding) {
    this.#binding = binding;
  }

  // Returns the Worker with this id. `getCode` is called if it does not exist yet.
  get(id, getCode) {
    if (id === null || id === undefined) return this.#stub(() => this.#make({}, getCode));
    const key = { id: String(id) };
    return this.#stub(async () => (await this.#ask(key)) ?? this.#make(key, getCode));
  }

  // Makes a new Worker.
  load(code) {
    return this.#stub(() => this.#make({}, () => code));
  }

  // Returns a stub at once. The Worker is made when the stub is first used.
  #stub(begin) {
    let loaded;
    const load = () => (loaded ??= begin());
    return {
      getEntrypoint(entrypoint, { props = {} } = {}) {
        const called = { entrypoint: entrypoint ?? undefined, props: plain("props", props) };
        return fetcher(async () => ({ __proto__: null, loaded: await load(), ...called }));
      },
    };
  }

  async #make(key, getCode) {
    return this.#ask({ ...key, code: true }, await plan(getCode));
  }

  async #ask(request, body) {
    const response = await ask("load", { __proto__: null, loader: this.#binding, ...request }, body);
    return JSON.parse(await responseText(response));
  }
}

// Returns the code, or the reason why there is none, in the form that the host expects.
async function plan(getCode) {
  try {
    return stringify({ __proto__: null, code: written(await getCode()) });
  } catch (error) {
    const { name, message } = failure(error);
    return stringify({ __proto__: null, failed: { __proto__: null, name, message } });
  }
}

function written(code) {
  const { mainModule, modules, env = {}, tails = [], streamingTails = [], limits = {}, globalOutbound } = code;
  if (typeof mainModule !== "string" || typeof modules !== "object" || modules === null) {
    throw new TypeError("The code of a dynamic Worker must have `mainModule` and `modules`.");
  }
  const vars = { __proto__: null };
  const services = { __proto__: null };
  const names = keys(env);
  for (let index = 0; index < names.length; index += 1) {
    const name = names[index];
    const callee = calleeOf(env[name]);
    if (callee === undefined) set(vars, name, plain(`env.${name}`, env[name]));
    else set(services, name, callee);
  }
  return {
    __proto__: null,
    mainModule,
    modules: writtenModules(modules),
    vars,
    services,
    tails: mapped(listed(tails), (tail) => service("tails", tail)),
    streamingTails: mapped(listed(streamingTails), (tail) => service("streamingTails", tail)),
    limits,
    globalOutbound: globalOutbound ? service("globalOutbound", globalOutbound) : globalOutbound,
  };
}

function service(key, value) {
  const callee = calleeOf(value);
  if (callee === undefined) {
    throw new TypeError(`\`${key}\` must hold entrypoints, as in \`ctx.exports\`, or service bindings.`);
  }
  return callee;
}

function writtenModules(modules) {
  const all = { __proto__: null };
  const names = keys(modules);
  for (let index = 0; index < names.length; index += 1) {
    set(all, names[index], module(names[index], modules[names[index]]));
  }
  return all;
}

const KINDS = ["js", "cjs", "text", "json", "data", "wasm"];

function module(name, source) {
  if (typeof source === "string") {
    if (endsWith(name, ".js")) return { __proto__: null, js: source };
    throw new TypeError(
      `Module name must end with '.js' (or the content must be an object indicating the type explicitly). Got: ${name}`,
    );
  }
  const count = isObject(source) ? keys(source).length : 0;
  if (count !== 1) {
    throw new TypeError(
      `Each module must contain exactly one of 'js', 'cjs', 'text', 'data', 'json', or 'wasm'. Module '${name}' contained ${count} properties.`,
    );
  }
  for (let index = 0; index < KINDS.length; index += 1) {
    const kind = KINDS[index];
    const contents = source[kind];
    if (contents === undefined) continue;
    const isBytes = kind === "data" || kind === "wasm";
    return { __proto__: null, [kind]: isBytes ? base64(contents) : contents };
  }
  throw new TypeError(
    `The module \`${name}\` must be one of { js | cjs | text | json | data | wasm }.`,
  );
}

// The most arguments of one call.
const PART = 0x8000;

function base64(buffer) {
  const bytes = isView(buffer)
    ? new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength)
    : new Uint8Array(buffer);
  let binary = "";
  for (let start = 0; start < byteLength(bytes); start += PART) {
    const end = start + PART < byteLength(bytes) ? start + PART : byteLength(bytes);
    binary += apply(fromCharCode, undefined, bytesPart(bytes, start, end));
  }
  return btoa(binary);
}
