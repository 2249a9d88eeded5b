import { WorkerEntrypoint } from "cloudflare:workers";
import { show } from "./fields";
import { OUTCOMES, type Item } from "./item";

interface Kv {
  get(key: string): Promise<string | null>;
  put(key: string, value: string): Promise<void>;
}

interface Env {
  GREETING: string;
  ENDPOINT: string;
  KV: Kv;
}

let number = 0;

export default class extends WorkerEntrypoint<Env> {
  tail(events: Item[]): Promise<void> {
    number += 1;
    if (events[0].scriptName === "fail") fail();
    return this.handle(events);
  }

  async handle(events: Item[]): Promise<void> {
    switch (events[0].scriptName) {
      case "fields":
        return events.forEach(show);
      case "unredacted":
        return events.forEach(unredacted);
      case "post":
        return this.post(events);
      case "kv":
        for (const { invocationId, scriptName } of events) {
          await this.env.KV.put(invocationId, scriptName ?? "");
          console.log(await this.env.KV.get(invocationId));
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
        console.log(this.env.GREETING);
        return console.log(JSON.stringify(this.ctx.props));
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

  async post(events: Item[]): Promise<void> {
    const headers = { "content-type": "application/json" };
    const body = JSON.stringify(events);
    const response = await fetch(this.env.ENDPOINT, { method: "POST", headers, body });
    console.log(`${response.status}`);
  }
}

function unredacted({ event }: Item): void {
  const request = event?.request;
  for (const shown of [request, request?.getUnredacted()]) {
    console.log(`${shown?.url} ${shown?.headers.authorization}`);
  }
}

function fail(): never {
  throw new TypeError("the tail failed");
}
