export default {
  async tail(items) {
    for (const { scriptName, outcome, logs } of items) {
      console.log(scriptName, "ended", outcome, "with", logs.length, "logs");
    }
  },
};
