// Connections: a stream in either direction.

import { chain, promised } from "./promise.js";

export class Socket {
  constructor(peer) {
    const incoming = new TransformStream();
    const outgoing = new TransformStream();
    this.readable = incoming.readable;
    this.writable = outgoing.writable;
    this.opened = promised({});
    this.closed = chain(promised(peer.connect(outgoing.readable, incoming.writable)), () => undefined);
    // Who wants to know looks at `closed`.
    chain(this.closed, undefined, () => {});
  }

  async close() {
    await this.writable.close();
  }
}
