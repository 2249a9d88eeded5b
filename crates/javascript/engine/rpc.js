// JavaScript RPC: each call of a method begins a session of capnweb between the
// two scripts, which lasts as long as the caller holds something of it.

import { RpcSession, RpcTarget } from "capnweb";
import { uncaught } from "./failure.js";
import { askHost, call } from "./http.js";
import { Lines } from "./lines.js";
import { hangUp, send } from "taffrail:javascript/host@0.1.0";

// The number of the session that an event is.
const OWN = 0;

let latest = OWN;

// The messages of a session, one a line.
class Transport {
  // Called after each message, once capnweb has dealt with it.
  afterMessage = () => {};
  #number;
  #opened;
  #lines;

  constructor(number, response) {
    this.#number = number;
    this.#opened = response;
    this.#lines = new Lines(response);
  }

  async send(message) {
    // The host does not know of the session before it has answered.
    await this.#opened;
    if (!send(this.#number, message)) {
      throw new Error("Too much RPC data waits to be read by the other Worker.");
    }
    queueMicrotask(() => this.afterMessage());
  }

  async receive() {
    const line = await this.#lines.next();
    if (line === undefined) throw new Error("The other Worker has ended the RPC session.");
    // Not in this turn, in which capnweb has yet to read the message.
    setTimeout(() => this.afterMessage(), 0);
    return line;
  }

  abort() {
    hangUp(this.#number);
  }
}

// Begins a session with a callee, to do what `method` says.
export function open(callee, way, method) {
  const session = ++latest;
  const response = call(callee, { [way]: { session, method } });
  const transport = new Transport(session, response);
  const rpc = new RpcSession(transport);
  transport.afterMessage = () => {
    const { imports, exports } = rpc.getStats();
    // No more than the main object of either side: nothing is left to be said.
    if (imports <= 1 && exports <= 1) transport.abort();
  };
  return rpc.getRemoteMain();
}

// A method or property of a callee: to be called, to be awaited, or to have
// properties itself.
export function property(callee, path) {
  const name = path.join(".");
  const read = () => open(callee, "rpc", name).read(path);
  return new Proxy(() => {}, {
    apply: (_target, _this, args) => open(callee, "rpc", name).invoke(path, ...args),
    get(_target, member) {
      if (typeof member !== "string") return undefined;
      if (!["then", "catch", "finally"].includes(member)) {
        return property(callee, [...path, member]);
      }
      return (...callbacks) => {
        const value = read();
        return value[member](...callbacks);
      };
    },
  });
}

// What the caller's end of a session talks to.
class Main extends RpcTarget {
  #find;
  #target;

  constructor(find, target) {
    super();
    this.#find = find;
    this.#target = target;
  }

  // That there is no such member is the caller's failure, and not recorded.
  async invoke(path, ...args) {
    const receiver = this.#receiver(path);
    return recorded(() => {
      const member = receiver[path.at(-1)];
      if (typeof member !== "function") throw new TypeError(`"${path.at(-1)}" is not a function.`);
      return Reflect.apply(member, receiver, args);
    });
  }

  async read(path) {
    const receiver = this.#receiver(path);
    return recorded(() => {
      const member = receiver[path.at(-1)];
      return typeof member === "function" ? member.bind(receiver) : member;
    });
  }

  // A connection: what comes from the caller, and what goes there.
  async connect(readable, writable) {
    return recorded(() => this.#find("connect")({ readable, writable }));
  }

  // What has the last member of the path.
  #receiver(path) {
    let receiver = this.#target;
    for (const [depth, name] of path.entries()) {
      if (!isOffered(receiver, name, depth)) {
        throw new TypeError(`The RPC receiver does not implement the method "${name}".`);
      }
      if (depth < path.length - 1) receiver = receiver[name];
    }
    return receiver;
  }
}

const RESERVED = new Set(["constructor", "dup", "fetch", "connect", "alarm"]);

// Objects that are passed by reference offer what their class has, and nothing
// of their own.
function isOffered(target, name, depth) {
  if (target === null || typeof target !== "object") return false;
  if (depth === 0 && RESERVED.has(name)) return false;
  const plain = Object.getPrototypeOf(target) === Object.prototype;
  if (plain) return Object.hasOwn(target, name);
  return name in target && !Object.hasOwn(target, name) && !(name in Object.prototype);
}

// A failure of the callee is recorded there, and told to the caller.
async function recorded(call) {
  try {
    return await call();
  } catch (error) {
    uncaught(error);
    throw error;
  }
}

// Serves the session that the event is, until the caller ends it.
export async function serve(find, target) {
  const transport = new Transport(OWN, askHost("request"));
  const ended = new Promise((resolve) => {
    transport.abort = resolve;
  });
  new RpcSession(transport, new Main(find, target));
  await ended;
}
