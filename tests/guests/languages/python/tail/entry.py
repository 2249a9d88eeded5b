import json
import logging

from fields import show
from workers import WorkerEntrypoint, events_json, fetch

log = logging.getLogger(__name__)
number = 0


class Default(WorkerEntrypoint):
    async def tail(self, events):
        global number
        number += 1
        match events[0].script_name:
            case "fields":
                for item in events:
                    show(item)
            case "unredacted":
                for item in events:
                    request = item.event.value.request
                    raw = item.event.value.raw.get_unredacted()
                    print(request.url, dict(request.headers)["authorization"])
                    print(raw.url, dict(raw.headers)["authorization"])
            case "post":
                headers = {"content-type": "application/json"}
                response = await fetch(self.env.ENDPOINT, "POST", headers, events_json())
                print(response.status)
            case "kv":
                for item in events:
                    self.env.KV.put(item.invocation_id, item.script_name)
                    print(self.env.KV.get(item.invocation_id).decode())
            case "fail":
                fail()
            case "levels":
                log.debug("a debug")
                log.info("an info")
                print("a log")
                log.warning("a warning")
                log.error("an error")
            case "vars":
                print(self.env.GREETING)
                print(json.dumps(self.ctx.props, separators=(",", ":")))
            case "count":
                logs = [log for item in events for log in item.logs]
                sizes = [len(text.encode()) for log in logs for text in log.message]
                print(len(events), len(logs), sum(sizes))
            case "again":
                print(number)
            case _:
                for item in events:
                    print(item.script_name, item.outcome.value, len(item.logs))


def fail():
    raise ValueError("the tail failed")
