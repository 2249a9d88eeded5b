"""Workers and Tail Workers in Python, as Cloudflare has them.

    from workers import Response, WorkerEntrypoint

    class Default(WorkerEntrypoint):
        async def fetch(self, request):
            return Response("Hello")

        async def tail(self, events):
            for item in events:
                print(item.script_name, item.outcome.name)

`taffrail` makes a component of the file that `main` names. The class `Default` has
the handlers, `fetch`, `tail` or `tail_stream`, or several of them; each may be `async`
or not.
"""

from wit_world.imports import taffrail_workers_types as trace

from . import _logging
from ._entrypoint import WorkerEntrypoint, events_json
from ._http import Headers, Request, Response, fetch

__all__ = [
    "Headers",
    "Request",
    "Response",
    "WorkerEntrypoint",
    "events_json",
    "fetch",
    "trace",
]

_logging.install()
