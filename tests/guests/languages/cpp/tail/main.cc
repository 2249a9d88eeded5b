#include <iostream>
#include <span>
#include <stdexcept>
#include <string>

#include "fields.h"
#include "workers.h"

using worker::text;

static void post() {
  worker_header headers[] = {{"content-type", "application/json"}, {}};
  auto response = worker_fetch(
      worker_env("ENDPOINT"), {.method = "POST", .headers = headers, .body = worker_events_json()});
  std::cout << response.status << std::endl;
}

static void fail() {
  throw std::runtime_error("the tail failed");
}

static void log_levels() {
  worker_log(WORKER_DEBUG, "a debug");
  worker_log(WORKER_INFO, "an info");
  worker_log(WORKER_LOG, "a log");
  worker_log(WORKER_WARN, "a warning");
  worker_log(WORKER_ERROR, "an error");
}

static void show_request(const worker_tail_request &request) {
  std::cout << request.url << ' ' << worker_get_header(request.headers, "authorization") << std::endl;
}

static void keep(const worker_item &item) {
  std::string id = text(item.invocation_id), name = text(item.script_name.val);
  worker_kv_put("KV", id.c_str(), name.data(), name.size());
  std::cout << worker_kv_get("KV", id.c_str(), nullptr) << std::endl;
}

static void count(std::span<const worker_item> items) {
  size_t logs = 0, bytes = 0;
  for (const auto &item : items) {
    for (const auto &log : std::span(item.logs.ptr, item.logs.len)) {
      logs++;
      for (const auto &value : std::span(log.message.ptr, log.message.len)) bytes += value.len;
    }
  }
  std::cout << items.size() << ' ' << logs << ' ' << bytes << std::endl;
}

static unsigned calls;

void tail(const worker_items *events) {
  calls++;
  std::span<const worker_item> items(events->ptr, events->len);
  std::string name = text(items[0].script_name.val);
  if (name == "post") return post();
  if (name == "fail") return fail();
  if (name == "levels") return log_levels();
  if (name == "count") return count(items);
  if (name == "again") {
    std::cout << calls << std::endl;
    return;
  }
  if (name == "vars") {
    std::cout << worker_env("GREETING") << '\n' << worker_props() << std::endl;
    return;
  }
  for (const auto &item : items) {
    if (name == "fields") {
      show(item);
    } else if (name == "unredacted") {
      show_request(worker_redacted(&item.event.val.val.fetch));
      show_request(worker_unredacted(&item.event.val.val.fetch));
    } else if (name == "kv") {
      keep(item);
    } else {
      std::cout << text(item.script_name.val) << ' ' << int(item.outcome) << ' ' << item.logs.len << std::endl;
    }
  }
}
