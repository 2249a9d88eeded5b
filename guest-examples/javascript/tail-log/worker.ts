import { WorkerEntrypoint } from "cloudflare:workers";
import { describe, type Item } from "./describe";

export default class extends WorkerEntrypoint {
  async tail(events: Item[]): Promise<void> {
    for (const event of events) console.log(describe(event));
  }
}
