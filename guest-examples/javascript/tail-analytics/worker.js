// Counts invocations by Worker, outcome and place.

export default {
  tail(events, env) {
    for (const { scriptName, outcome, event, wallTime } of events) {
      env.INVOCATIONS.writeDataPoint({
        blobs: [scriptName, outcome],
        doubles: [wallTime],
        indexes: [event?.request?.cf?.colo ?? "local"],
      });
    }
  },
};
