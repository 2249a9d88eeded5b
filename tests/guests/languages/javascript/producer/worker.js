export default {
  async fetch(request, env, ctx) {
    switch (new URL(request.url).pathname) {
      case "/hello":
        console.log("hello");
        return new Response("hello");
      case "/vars":
        return new Response(env.GREETING);
      case "/props":
        return new Response(JSON.stringify(ctx.props));
      case "/levels":
        console.debug("a debug");
        console.info("an info");
        console.log("a log");
        console.warn("a warning");
        console.error("an error");
        return new Response("logged");
      case "/kv":
        await env.KV.put("color", "grün");
        return new Response(await env.KV.get("color"));
      case "/stream":
        return new Response(request.body);
      case "/fail":
        return fail();
      case "/memory":
        for (const kept = []; ; ) kept.push(new Uint8Array(1 << 20).fill(1));
      case "/overflow":
        return overflow();
      default:
        return new Response(null, { status: 404 });
    }
  },
};

function fail() {
  throw new TypeError("no such order");
}

function overflow() {
  return overflow() + 1;
}
