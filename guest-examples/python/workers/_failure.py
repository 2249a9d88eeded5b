"""Exceptions, as items have them."""

import traceback

from wit_world.imports.exceptions import Failure


def described(error):
    """The name, the message and the traceback of an exception. The traceback begins
    at the Worker's own code."""
    kind = type(error)
    named = kind.__module__ in ("builtins", "__main__")
    name = kind.__qualname__ if named else f"{kind.__module__}.{kind.__qualname__}"
    report = traceback.TracebackException.from_exception(error)
    part = report
    while part is not None:
        while len(part.stack) > 1 and _is_ours(part.stack[0]):
            del part.stack[0]
        for frame in part.stack:
            frame.filename = _in_folder(frame.filename)
        part = part.__cause__ or part.__context__
    return Failure(name, str(error), "".join(report.format()).rstrip())


def exited(error):
    """An exit with a failure, as `described` describes exceptions."""
    failure = described(error)
    failure.message = f"exited with status {error.code}"
    return failure


def _is_ours(frame):
    return frame.filename.startswith("/bundled/") or "/workers/_" in frame.filename


def _in_folder(path):
    """A path without the folder of the component that it is in."""
    folder, _, rest = path[1:].partition("/")
    return rest if path.startswith("/") and folder.isdigit() else path
