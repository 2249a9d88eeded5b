"""The class that a Worker derives from, and what it reaches."""

import json

from componentize_py_types import Err
from wit_world.imports import analytics, context, wasi_config_store, wasi_keyvalue_store

from ._http import fetch_service


class WorkerEntrypoint:
    """A Worker. `self.env` has its vars and bindings by their names, and
    `self.ctx` what is particular to one event."""

    def __init__(self, ctx=None, env=None):
        self.ctx = ctx or Context()
        self.env = env or Env()


class Context:
    """One event."""

    @property
    def props(self):
        """The props that the caller's binding gave."""
        return json.loads(context.props())

    @property
    def invocation_id(self):
        """The id under which the invocation is recorded."""
        return context.invocation_id()


class Env:
    """The vars of a Worker as text, and its bindings."""

    def __getattr__(self, name):
        value = wasi_config_store.get(name)
        if value is not None:
            return value
        try:
            return KvNamespace(wasi_keyvalue_store.open(name))
        except Err:
            return Binding(name)


class KvNamespace:
    """A KV namespace. Values are bytes."""

    def __init__(self, bucket):
        self._bucket = bucket

    def get(self, key):
        """The value of a key, or `None`."""
        return self._bucket.get(key)

    def put(self, key, value):
        """Sets the value of a key: text or bytes."""
        self._bucket.set(key, value.encode() if isinstance(value, str) else bytes(value))

    def delete(self, key):
        """Removes a key."""
        self._bucket.delete(key)

    def list(self):
        """All keys."""
        keys, cursor = [], None
        while True:
            page = self._bucket.list_keys(cursor)
            keys += page.keys
            cursor = page.cursor
            if cursor is None:
                return keys


class Binding:
    """Another Worker, or a dataset of Analytics Engine."""

    def __init__(self, name):
        self._name = name

    async def fetch(self, request, method="GET", headers=(), body=None):
        """Sends a request to the Worker."""
        return await fetch_service(self._name, request, method, headers, body)

    def write_data_point(self, blobs=(), doubles=(), indexes=()):
        """Writes a data point to the dataset."""
        point = analytics.DataPoint(list(blobs), list(doubles), list(indexes))
        analytics.write_data_point(self._name, point)


def events_json():
    """The items of a tail event as the text that `JSON.stringify(events)` gives in
    JavaScript."""
    return context.events_json()
