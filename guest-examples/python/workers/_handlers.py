"""What the component exports: each calls the handler of the class `Default`."""

import inspect

from wit_world.imports import exceptions

from ._failure import described, exited
from ._http import Request, Response
from ._loop import run


def exports(worker):
    """The exports of the Worker whose class `Default` is `worker`."""

    class IncomingHandler:
        def handle(self, request, response_out):
            _run(_fetch(worker(), Request._from_wasi(request), response_out))

    class Tail:
        def tail(self, events):
            _run(_returned(worker().tail(events)))

    return IncomingHandler, Tail


async def _fetch(worker, request, out):
    response = await _returned(worker.fetch(request))
    if not isinstance(response, Response):
        raise TypeError(f"`fetch` returned {response!r}, which is not a Response")
    await response._respond(out)


async def _returned(result):
    return await result if inspect.isawaitable(result) else result


def _run(handler):
    try:
        run(handler)
    except SystemExit as error:
        if error.code not in (None, 0):
            exceptions.uncaught(exited(error))
    except Exception as error:
        exceptions.uncaught(described(error))
