"""Requests and responses."""

import asyncio
import json
from collections.abc import MutableMapping
from urllib.parse import urlsplit

import poll_loop
from componentize_py_types import Err, Ok
from wit_world.imports import outgoing_handler, services
from wit_world.imports import types as http

from ._loop import ready


class Headers(MutableMapping):
    """Header fields by their names, whose case does not matter. A field that is
    there several times has its values joined by `, `."""

    def __init__(self, fields=()):
        if isinstance(fields, (dict, Headers)):
            fields = fields.items()
        self._fields = [(str(name), str(value)) for name, value in fields]

    def append(self, name, value):
        """Adds a field, beside those of the same name."""
        self._fields.append((str(name), str(value)))

    def __getitem__(self, name):
        values = [value for key, value in self._fields if key.lower() == name.lower()]
        if not values:
            raise KeyError(name)
        return ", ".join(values)

    def __setitem__(self, name, value):
        self.pop(name, None)
        self.append(name, value)

    def __delitem__(self, name):
        if name not in self:
            raise KeyError(name)
        self._fields = [field for field in self._fields if field[0].lower() != name.lower()]

    def __iter__(self):
        return iter(dict.fromkeys(name.lower() for name, _ in self._fields))

    def __len__(self):
        return len(list(iter(self)))

    def _to_wasi(self):
        fields = [(name, value.encode("latin-1")) for name, value in self._fields]
        return http.Fields.from_list(fields)

    @classmethod
    def _from_wasi(cls, fields):
        return cls([(name, value.decode("latin-1")) for name, value in fields.entries()])


class _Body:
    """The body of a message, which can be read once."""

    def __init__(self, body):
        self._body = body

    async def __aiter__(self):
        """The pieces of the body, as they come."""
        if isinstance(self._body, http.IncomingBody):
            stream, self._body = poll_loop.Stream(self._body), None
            while (piece := await stream.next()) is not None:
                yield piece
        elif hasattr(self._body, "__aiter__"):
            pieces, self._body = self._body, None
            async for piece in pieces:
                yield _bytes(piece)
        elif self._body is not None:
            piece, self._body = self._body, None
            yield _bytes(piece)

    async def bytes(self):
        """All of the body."""
        return b"".join([piece async for piece in self])

    async def text(self):
        """All of the body, as UTF-8."""
        return (await self.bytes()).decode("utf-8", "replace")

    async def _send(self, body):
        sink = poll_loop.Sink(body)
        async for piece in self:
            await sink.send(piece)
        sink.close()


def _bytes(piece):
    return piece.encode() if isinstance(piece, str) else bytes(piece)


class Request(_Body):
    """A request. `body` is text, bytes, or an asynchronous iterator of them."""

    def __init__(self, url, method="GET", headers=(), body=None):
        super().__init__(body)
        self.url = url
        self.method = method
        self.headers = headers if isinstance(headers, Headers) else Headers(headers)

    @classmethod
    def _from_wasi(cls, request):
        scheme = "https" if isinstance(request.scheme(), http.Scheme_Https) else "http"
        url = f"{scheme}://{request.authority() or 'localhost'}{request.path_with_query() or '/'}"
        method = _METHODS.get(type(request.method())) or request.method().value
        return cls(url, method, Headers._from_wasi(request.headers()), request.consume())

    async def json(self):
        """All of the body, read as JSON."""
        return json.loads(await self.bytes())


class Response(_Body):
    """A response. `body` is text, bytes, or an asynchronous iterator of them."""

    def __init__(self, body=None, status=200, headers=()):
        super().__init__(body)
        self.status = status
        self.headers = headers if isinstance(headers, Headers) else Headers(headers)

    @property
    def ok(self):
        """Whether the status is from 200 to 299."""
        return 200 <= self.status < 300

    @classmethod
    def json(cls, value, status=200, headers=()):
        """A response whose body is `value` as JSON."""
        headers = Headers(headers)
        headers.setdefault("content-type", "application/json")
        return cls(json.dumps(value), status, headers)

    async def _respond(self, out):
        headers = self.headers._to_wasi()
        response = http.OutgoingResponse(headers)
        response.set_status_code(self.status)
        body = response.body()
        http.ResponseOutparam.set(out, Ok(response))
        await self._send(body)


class FetchResponse(Response):
    """A response that was received."""

    async def json(self):
        """All of the body, read as JSON."""
        return json.loads(await self.bytes())


_METHODS = {
    http.Method_Get: "GET",
    http.Method_Head: "HEAD",
    http.Method_Post: "POST",
    http.Method_Put: "PUT",
    http.Method_Delete: "DELETE",
    http.Method_Connect: "CONNECT",
    http.Method_Options: "OPTIONS",
    http.Method_Trace: "TRACE",
    http.Method_Patch: "PATCH",
}


async def fetch(request, method="GET", headers=(), body=None):
    """Sends a request, given as one or by its URL, and returns the response."""
    return await _fetch(outgoing_handler.handle, request, method, headers, body)


async def fetch_service(binding, request, method="GET", headers=(), body=None):
    """Sends a request to the Worker of a binding in `services`."""
    handle = lambda request, options: services.fetch(binding, request, options)
    return await _fetch(handle, request, method, headers, body)


async def _fetch(handle, request, method, headers, body):
    if not isinstance(request, Request):
        request = Request(request, method, headers, body)
    url = urlsplit(request.url)
    outgoing = http.OutgoingRequest(request.headers._to_wasi())
    outgoing.set_scheme(http.Scheme_Https() if url.scheme == "https" else http.Scheme_Http())
    outgoing.set_authority(url.netloc)
    outgoing.set_path_with_query((url.path or "/") + (f"?{url.query}" if url.query else ""))
    outgoing.set_method(_method(request.method))
    sink = outgoing.body()
    try:
        future = handle(outgoing, None)
    except Err as error:
        raise ConnectionError(_reason(request, error)) from None
    # Beside the response, which may begin before the request has ended.
    sending = asyncio.ensure_future(_sent(request, sink))
    await ready(future.subscribe())
    answer = future.get()
    while isinstance(answer, Ok):
        answer = answer.value
    if isinstance(answer, Err):
        raise ConnectionError(_reason(request, answer))
    response = FetchResponse(answer.consume(), answer.status(), Headers._from_wasi(answer.headers()))
    # asyncio itself does not keep a task from being collected.
    response._sending = sending
    return response


async def _sent(request, sink):
    try:
        await request._send(sink)
    except Err:
        # The connection is closed. The response, or the lack of one, says why.
        pass


def _reason(request, error):
    code = error.value
    name = type(code).__name__.removeprefix("ErrorCode_")
    said = getattr(code, "value", None)
    return f"{request.url}: {name}" + (f": {said}" if isinstance(said, str) else "")


def _method(method):
    for kind, name in _METHODS.items():
        if name == method.upper():
            return kind()
    return http.Method_Other(method)
