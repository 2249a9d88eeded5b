import { OUTCOMES, show } from "./fields.js";

let number = 0;

export default {
  tail(events, env, ctx) {
    number += 1;
    if (events[0].scriptName === "fail") fail();
    return handle(events, env, ctx);
  },
};

async function handle(events, env, ctx) {
  switch (events[0].scriptName) {
    case "fields":
      return events.forEach(show);
    case "unredacted":
      for (const { event } of events) {
        for (const { url, headers } of [event.request, event.request.getUnredacted()]) {
          console.log(`${url} ${headers.authorization}`);
        }
      }
      return;
    case "post": {
      const headers = { "content-type": "application/json" };
      const body = JSON.stringify(events);
      const response = await fetch(env.ENDPOINT, { method: "POST", headers, body });
      return console.log(`${response.status}`);
    }
    case "kv":
      for (const { invocationId, scriptName } of events) {
        await env.KV.put(invocationId, scriptName);
        console.log(await env.KV.get(invocationId));
      }
      return;
    case "levels":
      console.debug("a debug");
      console.info("an info");
      console.log("a log");
      console.warn("a warning");
      console.error("an error");
      return;
    case "vars":
      console.log(env.GREETING);
      return console.log(JSON.stringify(ctx.props));
    case "count": {
      const logs = events.flatMap(({ logs }) => logs);
      const texts = logs.flatMap(({ message }) => message.map((value) => JSON.stringify(value)));
      const bytes = new TextEncoder().encode(texts.join("")).length;
      return console.log(`${events.length} ${logs.length} ${bytes}`);
    }
    case "again":
      return console.log(`${number}`);
    default:
      for (const { scriptName, outcome, logs } of events) {
        console.log(`${scriptName} ${OUTCOMES.indexOf(outcome)} ${logs.length}`);
      }
  }
}

function fail() {
  throw new TypeError("the tail failed");
}
