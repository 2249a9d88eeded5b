// A way to fail for every path.
const FAULTS = {
  "/throw": () => {
    throw new TypeError("this is thrown");
  },
  "/reject": (ctx) => {
    ctx.waitUntil(Promise.reject(new Error("nobody waits for this")));
    return new Response("The answer is fine.\n");
  },
  "/midway": () => {
    const body = new ReadableStream({
      start: (controller) => controller.enqueue(new TextEncoder().encode("half an ans")),
      pull: () => Promise.reject(new Error("the rest is missing")),
    });
    return new Response(body);
  },
  "/loop": () => {
    for (;;);
  },
  "/memory": () => {
    const kept = [];
    for (;;) kept.push(new Uint8Array(1 << 24));
  },
  "/hang": () => new Promise(() => {}),
  "/nothing": () => undefined,
};

export default {
  fetch(request, env, ctx) {
    const { pathname } = new URL(request.url);
    const fault = FAULTS[pathname];
    if (fault === undefined) {
      return new Response(Object.keys(FAULTS).join("\n") + "\n", { status: 404 });
    }
    console.log("about to fail:", pathname);
    return fault(ctx);
  },
};
