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
            _run(_fetch(worker, Request._from_wasi(request), response_out))

    class Tail:
        def tail(self, events):
            _run(_called(worker, "tail", events))

    class TailStream:
        def __init__(self, onset):
            self._handler = _run(_opened(worker, onset))

        def event(self, item):
            # A handler that fails is called no more.
            handler, self._handler = self._handler, None
            if handler is not None:
                _run(self._handle(handler, item))

        async def _handle(self, handler, item):
            await _returned(handler(item))
            self._handler = handler

    return IncomingHandler, Tail, TailStream


async def _called(worker, handler, event):
    return await _returned(getattr(worker(), handler)(event))


async def _fetch(worker, request, out):
    response = await _called(worker, "fetch", request)
    if not isinstance(response, Response):
        raise TypeError(f"`fetch` returned {response!r}, which is not a Response")
    await response._respond(out)


async def _opened(worker, onset):
    handler = await _called(worker, "tail_stream", onset)
    if handler is not None and not callable(handler):
        raise TypeError(f"`tail_stream` returned {handler!r}, which is no function")
    return handler


async def _returned(result):
    return await result if inspect.isawaitable(result) else result


def _run(handler):
    """Runs a handler, and returns its result, or `None` after recording its failure."""
    try:
        return run(handler)
    except SystemExit as error:
        if error.code not in (None, 0):
            exceptions.uncaught(exited(error))
    except Exception as error:
        exceptions.uncaught(described(error))
