interface TraceItem {
  scriptName: string | null;
  outcome: string;
  logs: { level: string; message: unknown }[];
}

export default {
  async tail(items: TraceItem[]): Promise<void> {
    for (const { scriptName, outcome, logs } of items) {
      console.log(scriptName, "ended", outcome, "with", logs.length, "logs");
    }
  },
};
