#include <stdio.h>
#include <string.h>

#include "fields.h"
#include "workers.h"

static void show_requests(const worker_fetch_event *event) {
  worker_tail_request requests[] = {worker_redacted(event), worker_unredacted(event)};
  for (int i = 0; i < 2; i++)
    printf("%s %s\n", requests[i].url, worker_get_header(requests[i].headers, "authorization"));
}

static void post(void) {
  worker_header headers[] = {{"content-type", "application/json"}, {0}};
  worker_options post = {.method = "POST", .headers = headers, .body = worker_events_json()};
  printf("%d\n", worker_fetch(worker_env("ENDPOINT"), post).status);
}

static void keep(const worker_item *item) {
  const char *id = worker_string(item->invocation_id), *name = worker_option(item->script_name);
  worker_kv_put("KV", id, name, strlen(name));
  puts(worker_kv_get("KV", id, NULL));
}

static void fail(void) {
  worker_fail("Error", "the tail failed");
}

static void log_levels(void) {
  worker_log(WORKER_DEBUG, "a debug");
  worker_log(WORKER_INFO, "an info");
  worker_log(WORKER_LOG, "a log");
  worker_log(WORKER_WARN, "a warning");
  worker_log(WORKER_ERROR, "an error");
}

static void count(const worker_items *events) {
  size_t logs = 0, bytes = 0;
  for (size_t i = 0; i < events->len; i++) {
    logs += events->ptr[i].logs.len;
    for (size_t j = 0; j < events->ptr[i].logs.len; j++) {
      taffrail_workers_types_list_json_t message = events->ptr[i].logs.ptr[j].message;
      for (size_t k = 0; k < message.len; k++) bytes += message.ptr[k].len;
    }
  }
  printf("%zu %zu %zu\n", events->len, logs, bytes);
}

static unsigned calls;

void tail(const worker_items *events) {
  calls++;
  const char *name = worker_option(events->ptr[0].script_name);
  if (!strcmp(name, "post")) return post();
  if (!strcmp(name, "fail")) return fail();
  if (!strcmp(name, "levels")) return log_levels();
  if (!strcmp(name, "count")) return count(events);
  if (!strcmp(name, "again")) {
    printf("%u\n", calls);
    return;
  }
  if (!strcmp(name, "vars")) {
    puts(worker_env("GREETING"));
    puts(worker_props());
    return;
  }
  for (const worker_item *item = events->ptr; item < events->ptr + events->len; item++) {
    if (!strcmp(name, "fields"))
      show(item);
    else if (!strcmp(name, "unredacted"))
      show_requests(&item->event.val.val.fetch);
    else if (!strcmp(name, "kv"))
      keep(item);
    else
      printf("%s %d %zu\n", worker_option(item->script_name), item->outcome, item->logs.len);
  }
}
