export default {
  async fetch(request, env) {
    const { pathname } = new URL(request.url);
    console.log("Hello,", { method: request.method, pathname });
    return new Response(`${env.GREETING} from ${pathname}\n`);
  },
};
