"""The `logging` module writes to the Worker's log."""

import json
import logging

from wit_world.imports import console
from wit_world.imports.taffrail_workers_types import ErrorInfo, LogLevel

from ._failure import described


class Handler(logging.Handler):
    """Records each line with its level, and an exception beside it."""

    def emit(self, record):
        message = [json.dumps(self.format_message(record))]
        if record.exc_info and record.exc_info[1] is not None:
            failure = described(record.exc_info[1])
            message.append("{}")
            error = ErrorInfo(failure.name, failure.message, failure.stack)
            console.log_errors(level(record.levelno), message, [None, error])
        else:
            console.log(level(record.levelno), message)

    def format_message(self, record):
        if self.formatter:
            return self.formatter.format(record)
        return record.getMessage()


def level(number):
    if number >= logging.ERROR:
        return LogLevel.ERROR
    if number >= logging.WARNING:
        return LogLevel.WARN
    if number >= logging.INFO:
        return LogLevel.INFO
    return LogLevel.DEBUG


def install():
    """Gives the root logger this handler, and has it record every level."""
    root = logging.getLogger()
    root.addHandler(Handler())
    root.setLevel(logging.DEBUG)
    logging.getLogger("asyncio").setLevel(logging.WARNING)
