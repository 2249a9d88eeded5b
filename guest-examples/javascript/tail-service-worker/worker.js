addEventListener("tail", (event) => {
  for (const { scriptName, outcome, logs } of event.traces) {
    console.log(`${scriptName} ended ${outcome} after ${logs.length} log(s)`);
  }
});
