import json
import logging
import sys
from urllib.parse import urlsplit

from workers import Response, WorkerEntrypoint

log = logging.getLogger(__name__)


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        match urlsplit(request.url).path:
            case "/hello":
                print("hello")
                return Response("hello")
            case "/vars":
                return Response(self.env.GREETING)
            case "/props":
                return Response(json.dumps(self.ctx.props, separators=(",", ":")))
            case "/levels":
                log.debug("a debug")
                log.info("an info")
                print("a log")
                log.warning("a warning")
                log.error("an error")
                return Response("logged")
            case "/kv":
                self.env.KV.put("color", "grün")
                return Response(self.env.KV.get("color"))
            case "/stream":
                return Response(aiter(request))
            case "/fail":
                fail()
            case "/memory":
                kept = []
                while True:
                    kept.append(bytearray(1 << 20))
            case "/overflow":
                overflow()
            case "/exit":
                sys.exit(3)
            case _:
                return Response(status=404)


def fail():
    raise ValueError("no such order")


def overflow():
    overflow()
