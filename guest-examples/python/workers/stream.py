"""The classes of the events of a streaming tail, which only a Worker with the handler
`tail_stream` can import."""

from wit_world.imports.stream_events import *
from wit_world.imports.tracing import *
