export default {
  async fetch(request) {
    const { pathname } = new URL(request.url);
    console.log("asked for", pathname);
    return new Response(`Hello from ${pathname}\n`);
  },
};
