import { WorkerEntrypoint } from "cloudflare:workers";

interface Kv {
  get(key: string): Promise<string | null>;
  put(key: string, value: string): Promise<void>;
}

interface Env {
  GREETING: string;
  KV: Kv;
}

export default class extends WorkerEntrypoint<Env> {
  async fetch(request: Request): Promise<Response> {
    switch (new URL(request.url).pathname) {
      case "/hello":
        console.log("hello");
        return new Response("hello");
      case "/vars":
        return new Response(this.env.GREETING);
      case "/props":
        return Response.json(this.ctx.props);
      case "/levels":
        console.debug("a debug");
        console.info("an info");
        console.log("a log");
        console.warn("a warning");
        console.error("an error");
        return new Response("logged");
      case "/kv":
        await this.env.KV.put("color", "grün");
        return new Response(await this.env.KV.get("color"));
      case "/stream":
        return new Response(request.body);
      case "/fail":
        return fail();
      case "/memory":
        for (const kept: Uint8Array[] = []; ; ) kept.push(new Uint8Array(1 << 20).fill(1));
      case "/overflow":
        return new Response(`${overflow()}`);
      default:
        return new Response(null, { status: 404 });
    }
  }
}

function fail(): never {
  throw new TypeError("no such order");
}

function overflow(): number {
  return overflow() + 1;
}
