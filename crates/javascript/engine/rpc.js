// JavaScript RPC: each call of a method begins a capnweb session between the two
// scripts, which lasts as long as the caller holds a reference of it.

import { RpcSession, RpcTarget } from "capnweb";
import { append, apply, getPrototypeOf, hasOwn, inherits, isArray, isObject, mapped, objectPrototype, parse, set, startsWith, stringify } from "./builtins.js";
import { currentInvocation } from "./context.js";
import { passedOn, uncaught } from "./failure.js";
import { Lines } from "./lines.js";
import { DurableObject, WorkerEntrypoint } from "./modules.js";
import { hangUp, send } from "./host.js";
import { stackAt } from "./stack.js";
import { queueMicrotask, setTimeout } from "./timers.js";
import { refuseTraceItems } from "./trace-item.js";
import { begin, flush, throughout, tracing } from "./tracing.js";
import { askHost, call } from "./wire.js";

// The number of the event's own session.
const OWN = 0;

let latest = OWN;

// The messages of a session, one on each line.
class Transport {
  // Called after each message, once capnweb has processed it.
  afterMessage = () => {};
  #number;
  #opened;
  #lines;
  // At the caller's end, an error from the place where the session began.
  #here;

  constructor(number, response, here) {
    this.#number = number;
    this.#here = here;
    this.#opened = response;
    this.#lines = new Lines(response);
  }

  async send(message) {
    // The host does not know the session until it has answered.
    await this.#opened;
    if (!send(this.#number, message)) {
      throw new Error("Too much RPC data waits to be read by the other Worker.");
    }
    queueMicrotask(() => this.afterMessage());
  }

  async receive() {
    const line = await this.#lines.next();
    if (line === undefined) throw new Error("The other Worker has ended the RPC session.");
    // Deferred, since capnweb has yet to process the message in this turn.
    setTimeout(() => this.afterMessage(), 0);
    return this.#here === undefined ? line : located(line, this.#here);
  }

  abort() {
    hangUp(this.#number);
  }
}

// Returns a message of a callee. If it reports a failure, the error gets the stack of
// the place where the caller began the session.
function located(line, here) {
  const isRejection = startsWith(line, '["reject",');
  if (!isRejection && !startsWith(line, '["abort",')) return line;
  const message = parse(line);
  const error = message[message.length - 1];
  if (!isArray(error) || error[0] !== "error") return line;
  const { 1: name, 2: text } = error;
  set(error, 3, stackAt(here, name, text));
  if (isRejection) set(error, 4, { __proto__: null, remote: true });
  return stringify(message);
}

// Begins a session with a callee, in order to call or read `method`.
export function open(callee, way, method) {
  const session = ++latest;
  const response = call(callee, { [way]: { __proto__: null, session, method } });
  const transport = new Transport(session, response, new Error());
  const rpc = new RpcSession(transport);
  transport.afterMessage = () => {
    const { imports, exports } = rpc.getStats();
    // Each side holds only the main object of the other, so nothing is left to be done.
    if (imports <= 1 && exports <= 1) transport.abort();
  };
  return rpc.getRemoteMain();
}

// A method or property of a callee. It can be called, awaited, or have properties
// itself.
export function property(callee, path) {
  const name = joined(path);
  const read = () => open(callee, "rpc", name).read(path);
  return new Proxy(() => {}, {
    __proto__: null,
    apply(_target, _this, args) {
      refuseTraceItems(args);
      return open(callee, "rpc", name).invoke(path, args);
    },
    get(_target, member) {
      if (typeof member !== "string") return undefined;
      if (member === "then" || member === "catch" || member === "finally") {
        return (...callbacks) => {
          const value = read();
          return apply(value[member], value, callbacks);
        };
      }
      const longer = mapped(path, (name) => name);
      append(longer, member);
      return property(callee, longer);
    },
  });
}

function joined(path) {
  let name = path[0];
  for (let index = 1; index < path.length; index += 1) name += `.${path[index]}`;
  return name;
}

// The object that the caller's end of a session talks to, once.
class Main extends RpcTarget {
  #find;
  #target;
  #isCalled = false;

  constructor(find, target) {
    super();
    this.#find = find;
    this.#target = target;
  }

  // A missing member is the caller's failure, and is not recorded.
  async invoke(path, args) {
    const receiver = this.#receiver(path);
    return recorded(path, "call", this.#target, () => {
      const name = path[path.length - 1];
      const member = receiver[name];
      if (typeof member !== "function") throw new TypeError(`"${name}" is not a function.`);
      return apply(member, receiver, args);
    });
  }

  async read(path) {
    const receiver = this.#receiver(path);
    return recorded(path, "get", this.#target, () => {
      const member = receiver[path[path.length - 1]];
      if (typeof member !== "function") return member;
      return (...args) => apply(member, receiver, args);
    });
  }

  // Handles a connection: one stream from the caller, and one to it.
  async connect(readable, writable) {
    this.#call();
    return passing(() => this.#find("connect")({ readable, writable }));
  }

  #call() {
    if (this.#isCalled) throw new TypeError("Only one RPC method call is allowed on this object.");
    this.#isCalled = true;
  }

  // Finds the object with the last member of the path.
  #receiver(path) {
    this.#call();
    let receiver = this.#target;
    for (let depth = 0; depth < path.length; depth += 1) {
      const name = path[depth];
      if (hasOwn(RESERVED, name)) {
        throw new TypeError(`'${name}' is a reserved method and cannot be called over RPC.`);
      }
      const isOffered = depth === 0 ? hasMember(receiver, name) : offers(receiver, name);
      if (!isOffered) {
        throw new TypeError(`The RPC receiver does not implement the method "${name}".`);
      }
      if (depth < path.length - 1) receiver = receiver[name];
    }
    return receiver;
  }
}

// Members that cannot be called by RPC: those that only the runtime calls, to handle an
// event, and those that a stub has itself.
const RESERVED = {
  __proto__: null,
  alarm: true,
  connect: true,
  constructor: true,
  dup: true,
  email: true,
  fetch: true,
  queue: true,
  scheduled: true,
  tail: true,
  tailStream: true,
  test: true,
  trace: true,
  webSocketClose: true,
  webSocketError: true,
  webSocketMessage: true,
};

// Whether an entrypoint, an object or a target has a callable member. Only members of
// the class count, and not the instance's own properties.
function hasMember(target, name) {
  if (!isCallable(target) || hasOwn(target, name)) return false;
  let holder = getPrototypeOf(target);
  while (holder !== null && holder !== objectPrototype) {
    if (hasOwn(holder, name)) return true;
    holder = getPrototypeOf(holder);
  }
  return false;
}

function isCallable(target) {
  return (
    inherits(target, WorkerEntrypoint.prototype) ||
    inherits(target, DurableObject.prototype) ||
    inherits(target, RpcTarget.prototype)
  );
}

// Whether the value of an offered member offers a member itself. Plain objects offer
// their own properties.
function offers(value, name) {
  const isPlain = isObject(value) && getPrototypeOf(value) === objectPrototype;
  return isPlain ? hasOwn(value, name) : hasMember(value, name);
}

// Makes a call of a member in a span.
function recorded(path, operation, target, call) {
  const invocation = currentInvocation();
  if (invocation.span === undefined) return passing(call);
  const method = joined(path);
  const span = begin("jsRpcCall");
  const root = tracing.getActiveSpan();
  root.setAttribute("jsrpc.method", method);
  flush(root);
  span.setAttribute("jsrpc.method", method);
  const kind = inherits(target, DurableObject.prototype) ? "durable_object" : "entrypoint";
  span.setAttribute("jsrpc.target_kind", kind);
  span.setAttribute("jsrpc.operation", operation);
  span.setAttribute("jsrpc.caller_span_id", invocation.span.callerSpanId);
  return throughout(span, () => passing(call), []);
}

// Records a failure of the callee, and passes it on to the caller.
async function passing(call) {
  try {
    const value = await call();
    refuseTraceItems(value);
    return value;
  } catch (error) {
    uncaught(error);
    throw passedOn(error);
  }
}

// Serves the event's session until the caller ends it.
export async function serve(find, target) {
  const transport = new Transport(OWN, askHost("request"));
  const ended = new Promise((resolve) => {
    transport.abort = resolve;
  });
  new RpcSession(transport, new Main(find, target));
  await ended;
}
