import linecache
import sys

import {worker} as worker
from workers import _handlers

# The source lines of a traceback. A component has no files, so they are read here and
# kept, and no time of a file says that they are stale.
for module in list(sys.modules.values()):
    if file := getattr(module, "__file__", None):
        lines = linecache.getlines(file)
        linecache.cache[file] = (len(lines), None, lines, file)

IncomingHandler, Tail, TailStream = _handlers.exports(worker.Default)
