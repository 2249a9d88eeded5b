export default {
  async fetch(request) {
    const { pathname } = new URL(request.url);
    console.log("asked for", pathname);
    return new Response(`Hello from ${pathname}\n`);
  },

  async tail(items) {
    for (const { scriptName, outcome, logs } of items) {
      console.log(scriptName, "ended", outcome, "with", logs.length, "logs");
    }
  },
};
