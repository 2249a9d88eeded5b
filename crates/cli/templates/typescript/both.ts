interface TraceItem {
  scriptName: string | null;
  outcome: string;
  logs: { level: string; message: unknown }[];
}

export default {
  async fetch(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url);
    console.log("asked for", pathname);
    return new Response(`Hello from ${pathname}\n`);
  },

  async tail(items: TraceItem[]): Promise<void> {
    for (const { scriptName, outcome, logs } of items) {
      console.log(scriptName, "ended", outcome, "with", logs.length, "logs");
    }
  },
};
