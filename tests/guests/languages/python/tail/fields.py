"""Prints every field of an item."""

from enum import Enum

from workers import trace

EVENTS = [
    trace.EventInfo_Fetch,
    trace.EventInfo_Rpc,
    trace.EventInfo_Scheduled,
    trace.EventInfo_Alarm,
    trace.EventInfo_Queue,
    trace.EventInfo_Email,
    trace.EventInfo_Tail,
    trace.EventInfo_HibernatableWebSocket,
    trace.EventInfo_Connect,
    trace.EventInfo_Custom,
]
WEB_SOCKET_EVENTS = [
    trace.HibernatableWebSocketEvent_Message,
    trace.HibernatableWebSocketEvent_Close,
    trace.HibernatableWebSocketEvent_Error,
]
ATTRIBUTES = [
    trace.AttributeValue_Text,
    trace.AttributeValue_Number,
    trace.AttributeValue_Boolean,
]


def show(item):
    show_event(item.event)
    line("timestamp", item.event_timestamp)
    for log in item.logs:
        line("log", log.timestamp, log.level)
        for argument in log.message:
            line("message", argument)
        for error in log.error_info or []:
            line("error", *parts(error))
    for exception in item.exceptions:
        line("exception", *parts(exception))
    for event in item.diagnostics_channel_events:
        line("channel", *parts(event))
    line("script", item.script_name)
    line("entrypoint", item.entrypoint)
    line("version", *parts(item.script_version))
    for tag in item.script_tags:
        line("tag", tag)
    line("namespace", item.dispatch_namespace)
    for name, value in item.tail_attributes:
        line("attribute", name, ATTRIBUTES.index(type(value)), value.value)
    line("preview", *parts(item.preview))
    line("object", item.durable_object_id)
    line("model", item.execution_model)
    line("outcome", item.outcome)
    line("truncated", item.truncated)
    line("cpu", item.cpu_time)
    line("wall", item.wall_time)
    line("invocation", item.invocation_id)
    line("request", item.request_id)
    line("parent", item.parent_invocation_id)
    line("memory", item.peak_memory)
    line("limit", *parts(item.exceeded_limit))
    line("dropped", *parts(item.dropped))
    line("lost", item.lost_items)


def show_event(event):
    if event is None:
        line("event", None)
        return
    case = EVENTS.index(type(event))
    match event:
        case trace.EventInfo_Fetch(fetch):
            request, response = fetch.request, fetch.response
            status = response.status if response else None
            line("event", case, request.url, request.method, request.cf, status)
            for name, value in request.headers:
                line("header", name, value)
        case trace.EventInfo_Tail(tail):
            line("event", case)
            for consumed in tail.consumed_events:
                line("consumed", consumed.script_name)
        case trace.EventInfo_HibernatableWebSocket(kind):
            close = parts(kind.value) if hasattr(kind, "value") else []
            line("event", case, WEB_SOCKET_EVENTS.index(type(kind)), *close)
        case trace.EventInfo_Connect() | trace.EventInfo_Custom():
            line("event", case)
        case _:
            line("event", case, *parts(event.value))


def parts(record):
    """The fields of a record, or that there is none."""
    return [None] if record is None else vars(record).values()


def line(name, *values):
    print(name, *map(text, values))


def text(value):
    match value:
        case None:
            return "-"
        case bool():
            return str(value).lower()
        case Enum():
            return str(value.value)
        case str():
            return f'"{value}"'
        case _:
            return str(value)
