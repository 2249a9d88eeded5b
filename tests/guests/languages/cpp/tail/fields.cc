#include "fields.h"

#include <concepts>
#include <iostream>
#include <span>
#include <string>

template <typename List>
static auto each(const List &list) {
  return std::span(list.ptr, list.len);
}

template <typename T>
concept Option = requires(T option) { option.is_some; };

static std::string shown(const bindings_string_t &text) {
  return '"' + worker::text(text) + '"';
}

static std::string shown(bool boolean) {
  return boolean ? "true" : "false";
}

template <std::unsigned_integral Number>
static std::string shown(Number number) {
  return std::to_string(number);
}

template <Option T>
static std::string shown(const T &option) {
  return option.is_some ? shown(option.val) : "-";
}

template <typename... Values>
static std::string values(const Values &...values) {
  return ((' ' + shown(values)) + ... + "");
}

// The fields of an option of a record, which `fields` has as values.
template <Option T, typename Fields>
static std::string fields(const T &option, Fields fields) {
  return option.is_some ? fields(option.val) : " -";
}

template <typename... Values>
static void line(const std::string &name, const Values &...parts) {
  std::cout << name << values(parts...) << '\n';
}

static void show_fetch(const worker_fetch_event &event) {
  const auto &request = event.request;
  auto status = fields(event.response, [](const auto &response) { return values(response.status); });
  line("event 0" + values(request.url, request.method, request.cf) + status);
  for (const auto &header : each(request.headers)) line("header", header.f0, header.f1);
}

static void show_socket(const taffrail_workers_types_hibernatable_web_socket_event_t &event) {
  bool is_close = event.tag == TAFFRAIL_WORKERS_TYPES_HIBERNATABLE_WEB_SOCKET_EVENT_CLOSE;
  const auto &close = event.val.close;
  line("event 7" + values(event.tag) + (is_close ? values(close.code, close.was_clean) : ""));
}

static void show_event(const taffrail_workers_types_event_info_t &event) {
  const auto &val = event.val;
  switch (event.tag) {
    case TAFFRAIL_WORKERS_TYPES_EVENT_INFO_FETCH:
      return show_fetch(val.fetch);
    case TAFFRAIL_WORKERS_TYPES_EVENT_INFO_RPC:
      return line("event", event.tag, val.rpc.rpc_method);
    case TAFFRAIL_WORKERS_TYPES_EVENT_INFO_SCHEDULED:
      return line("event", event.tag, val.scheduled.cron, val.scheduled.scheduled_time);
    case TAFFRAIL_WORKERS_TYPES_EVENT_INFO_ALARM:
      return line("event", event.tag, val.alarm.scheduled_time);
    case TAFFRAIL_WORKERS_TYPES_EVENT_INFO_QUEUE:
      return line("event", event.tag, val.queue.queue, val.queue.batch_size);
    case TAFFRAIL_WORKERS_TYPES_EVENT_INFO_EMAIL:
      return line("event", event.tag, val.email.mail_from, val.email.rcpt_to, val.email.raw_size);
    case TAFFRAIL_WORKERS_TYPES_EVENT_INFO_HIBERNATABLE_WEB_SOCKET:
      return show_socket(val.hibernatable_web_socket);
  }
  line("event", event.tag);
  if (event.tag == TAFFRAIL_WORKERS_TYPES_EVENT_INFO_TAIL) {
    for (const auto &consumed : each(val.tail.consumed_events)) line("consumed", consumed.script_name);
  }
}

static void show_log(const taffrail_workers_types_trace_log_t &log) {
  line("log", log.timestamp, log.level);
  for (const auto &argument : each(log.message)) line("message", argument);
  if (!log.error_info.is_some) return;
  for (const auto &error : each(log.error_info.val)) {
    line("error" + fields(error, [](const auto &error) { return values(error.name, error.message, error.stack); }));
  }
}

static std::string shown_attribute(const taffrail_workers_types_attribute_value_t &value) {
  switch (value.tag) {
    case TAFFRAIL_WORKERS_TYPES_ATTRIBUTE_VALUE_TEXT:
      return values(value.val.text);
    case TAFFRAIL_WORKERS_TYPES_ATTRIBUTE_VALUE_BOOLEAN:
      return values(value.val.boolean);
  }
  char number[32];
  snprintf(number, sizeof number, " %g", value.val.number);
  return number;
}

void show(const worker_item &item) {
  if (item.event.is_some) {
    show_event(item.event.val);
  } else {
    line("event -");
  }
  line("timestamp", item.event_timestamp);
  for (const auto &log : each(item.logs)) show_log(log);
  for (const auto &exception : each(item.exceptions))
    line("exception", exception.timestamp, exception.name, exception.message, exception.stack);
  for (const auto &event : each(item.diagnostics_channel_events))
    line("channel", event.timestamp, event.channel, event.message);
  line("script", item.script_name);
  line("entrypoint", item.entrypoint);
  line("version" + fields(item.script_version, [](const auto &version) {
         return values(version.id, version.tag, version.message);
       }));
  for (const auto &tag : each(item.script_tags)) line("tag", tag);
  line("namespace", item.dispatch_namespace);
  for (const auto &[name, value] : each(item.tail_attributes))
    line("attribute" + values(name, value.tag) + shown_attribute(value));
  line("preview" + fields(item.preview, [](const auto &preview) {
         return values(preview.id, preview.slug, preview.name);
       }));
  line("object", item.durable_object_id);
  line("model", item.execution_model);
  line("outcome", item.outcome);
  line("truncated", item.truncated);
  line("cpu", item.cpu_time);
  line("wall", item.wall_time);
  line("invocation", item.invocation_id);
  line("request", item.request_id);
  line("parent", item.parent_invocation_id);
  line("memory", item.peak_memory);
  line("limit" + fields(item.exceeded_limit, [](const auto &limit) { return values(limit.key, limit.value); }));
  line("dropped" + fields(item.dropped, [](const auto &dropped) {
         return values(dropped.logs, dropped.exceptions, dropped.diagnostics_channel_events);
       }));
  line("lost", item.lost_items);
}
