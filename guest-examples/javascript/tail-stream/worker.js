// A streaming tail that logs the spans of an invocation as they end, with their
// durations, and then how it ended.
export default {
  tailStream(onset) {
    const { method, url } = onset.event.info;
    console.log(`${method} ${url} begins`);
    const open = new Map();
    return {
      spanOpen({ timestamp, event }) {
        open.set(event.spanId, { name: event.name, began: timestamp });
      },
      spanClose({ timestamp, spanContext, event }) {
        const { name, began } = open.get(spanContext.spanId);
        console.log(`${name}: ${event.outcome} after ${timestamp - began} ms`);
      },
      outcome({ event }) {
        console.log(event.outcome);
      },
    };
  },
};
