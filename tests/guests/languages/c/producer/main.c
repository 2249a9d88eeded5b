#include "workers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void log_levels(void) {
  worker_log(WORKER_DEBUG, "a debug");
  worker_log(WORKER_INFO, "an info");
  worker_log(WORKER_LOG, "a log");
  worker_log(WORKER_WARN, "a warning");
  worker_log(WORKER_ERROR, "an error");
}

static void stream(worker_body *body) {
  worker_begin(200);
  char piece[1 << 16];
  for (size_t read; (read = worker_read(body, piece, sizeof piece));) worker_write(piece, read);
}

static void fail(void) {
  worker_fail("Error", "no such order");
}

static void *volatile kept;

static void allocate(void) {
  while ((kept = malloc(1 << 20))) memset(kept, 1, 1 << 20);
  abort();
}

static int overflow(volatile int *above) {
  volatile int here = *above + 1;
  return overflow(&here) + here;
}

void fetch(worker_request *request) {
  const char *path = strchr(strstr(request->url, "://") + 3, '/');
  if (!strcmp(path, "/hello")) {
    puts("hello");
    worker_respond(200, "hello");
  } else if (!strcmp(path, "/vars")) {
    worker_respond(200, "%s", worker_env("GREETING"));
  } else if (!strcmp(path, "/props")) {
    worker_respond(200, "%s", worker_props());
  } else if (!strcmp(path, "/levels")) {
    log_levels();
    worker_respond(200, "logged");
  } else if (!strcmp(path, "/kv")) {
    worker_kv_put("KV", "color", "grün", strlen("grün"));
    worker_respond(200, "%s", worker_kv_get("KV", "color", NULL));
  } else if (!strcmp(path, "/stream")) {
    stream(request->body);
  } else if (!strcmp(path, "/fail")) {
    fail();
  } else if (!strcmp(path, "/memory")) {
    allocate();
  } else if (!strcmp(path, "/overflow")) {
    int none = 0;
    overflow(&none);
  } else if (!strcmp(path, "/exit")) {
    exit(3);
  } else {
    worker_begin(404);
  }
}
