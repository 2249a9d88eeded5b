// Connections: a stream in either direction.

export class Socket {
  constructor(peer) {
    const incoming = new TransformStream();
    const outgoing = new TransformStream();
    this.readable = incoming.readable;
    this.writable = outgoing.writable;
    this.opened = Promise.resolve({});
    this.closed = peer.connect(outgoing.readable, incoming.writable).then(() => undefined);
    // Who wants to know looks at `closed`.
    this.closed.catch(() => {});
  }

  async close() {
    await this.writable.close();
  }
}
