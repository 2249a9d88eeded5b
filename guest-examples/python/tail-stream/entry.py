from workers import WorkerEntrypoint, stream


class Default(WorkerEntrypoint):
    def tail_stream(self, onset):
        print(onset.event.value.script_name, "begins")
        return Live(onset.timestamp).handle


class Live:
    """An invocation that goes on."""

    def __init__(self, began):
        self.began = began
        self.logs = 0

    def handle(self, item):
        match item.event:
            case stream.StreamEvent_Log():
                self.logs += 1
                return
            case stream.StreamEvent_SpanOpen(span):
                text = f"{span.name} begins"
            case stream.StreamEvent_SpanClose(outcome):
                text = f"a span ends: {outcome.name}"
            case stream.StreamEvent_Exception(exception):
                text = exception.message
            case stream.StreamEvent_Outcome(end):
                text = f"{end.outcome.name}, {self.logs} lines of log"
            case _:
                return
        print(f"{item.timestamp - self.began} ms: {text}")
