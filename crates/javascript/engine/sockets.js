// Connections, which have a stream in each direction.

import { chain, promised } from "./promise.js";

export class Socket {
  constructor(peer) {
    const incoming = new TransformStream();
    const outgoing = new TransformStream();
    this.readable = incoming.readable;
    this.writable = outgoing.writable;
    this.opened = promised({});
    this.closed = chain(promised(peer.connect(outgoing.readable, incoming.writable)), () => undefined);
    // Failures are reported by `closed`.
    chain(this.closed, undefined, () => {});
  }

  async close() {
    await this.writable.close();
  }
}
