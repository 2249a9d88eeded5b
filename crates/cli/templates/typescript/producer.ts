export default {
  async fetch(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url);
    console.log("asked for", pathname);
    return new Response(`Hello from ${pathname}\n`);
  },
};
