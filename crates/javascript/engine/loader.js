// `env.LOADER`: Workers that are made at run time.

import { ask } from "./http.js";
import { calleeOf, fetcher, plain } from "./services.js";

export class WorkerLoader {
  #binding;

  constructor(binding) {
    this.#binding = binding;
  }

  // The Worker of this id. `getCode` is called if there is none yet.
  get(id, getCode) {
    if (id === null || id === undefined) return this.#stub(() => this.#make({}, getCode));
    const key = { id: String(id) };
    return this.#stub(async () => (await this.#ask(key)) ?? this.#make(key, getCode));
  }

  // A Worker of its own.
  load(code) {
    return this.#stub(() => this.#make({}, () => code));
  }

  // What it returns is ready when it is used.
  #stub(begin) {
    let loaded;
    const load = () => (loaded ??= begin());
    return {
      getEntrypoint(entrypoint, { props = {} } = {}) {
        const called = { entrypoint: entrypoint ?? undefined, props: plain("props", props) };
        return fetcher(async () => ({ loaded: await load(), ...called }));
      },
    };
  }

  async #make(key, getCode) {
    return this.#ask({ ...key, code: true }, await plan(getCode));
  }

  async #ask(wish, body) {
    const response = await ask({ loader: this.#binding, ...wish }, body);
    return response.json();
  }
}

// The code, or why there is none, as the host wants it.
async function plan(getCode) {
  try {
    return JSON.stringify({ code: written(await getCode()) });
  } catch (error) {
    const { name = "Error", message = String(error) } = error ?? {};
    return JSON.stringify({ failed: { name, message } });
  }
}

function written(code) {
  const { mainModule, modules, env = {}, tails = [], limits = {}, globalOutbound } = code;
  if (typeof mainModule !== "string" || typeof modules !== "object" || modules === null) {
    throw new TypeError("The code of a dynamic Worker has `mainModule` and `modules`.");
  }
  const vars = {};
  const services = {};
  for (const [name, value] of Object.entries(env)) {
    const callee = calleeOf(value);
    if (callee === undefined) vars[name] = plain(`env.${name}`, value);
    else services[name] = callee;
  }
  return {
    mainModule,
    modules: Object.fromEntries(Object.entries(modules).map(module)),
    vars,
    services,
    tails: tails.map((tail) => service("tails", tail)),
    limits,
    globalOutbound: globalOutbound ? service("globalOutbound", globalOutbound) : globalOutbound,
  };
}

function service(key, value) {
  const callee = calleeOf(value);
  if (callee === undefined) {
    throw new TypeError(`\`${key}\` is to hold entrypoints, as in \`ctx.exports\`, or service bindings.`);
  }
  return callee;
}

const KINDS = ["js", "cjs", "text", "json", "data", "wasm"];

function module([name, source]) {
  if (typeof source === "string") return [name, { js: source }];
  const kind = KINDS.find((kind) => source?.[kind] !== undefined);
  if (kind === undefined) {
    throw new TypeError(`The module \`${name}\` is neither text nor { ${KINDS.join(" | ")} }.`);
  }
  const contents = source[kind];
  const isBytes = kind === "data" || kind === "wasm";
  return [name, { [kind]: isBytes ? base64(contents) : contents }];
}

function base64(buffer) {
  const bytes = ArrayBuffer.isView(buffer)
    ? new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength)
    : new Uint8Array(buffer);
  let binary = "";
  for (let start = 0; start < bytes.length; start += 0x8000) {
    binary += String.fromCharCode(...bytes.subarray(start, start + 0x8000));
  }
  return btoa(binary);
}
