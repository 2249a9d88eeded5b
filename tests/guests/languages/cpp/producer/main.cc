#include "workers.h"

#include <cstdlib>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

static void log_levels() {
  worker_log(WORKER_DEBUG, "a debug");
  worker_log(WORKER_INFO, "an info");
  worker_log(WORKER_LOG, "a log");
  worker_log(WORKER_WARN, "a warning");
  worker_log(WORKER_ERROR, "an error");
}

static void stream(worker_body *body) {
  worker_begin(200);
  std::vector<char> piece(1 << 16);
  while (size_t read = worker_read(body, piece.data(), piece.size())) worker_write(piece.data(), read);
}

static void fail() {
  throw std::runtime_error("no such order");
}

static int overflow(volatile int *above) {
  volatile int here = *above + 1;
  return overflow(&here) + here;
}

void fetch(worker_request *request) {
  std::string url = request->url;
  std::string path = url.substr(url.find('/', url.find("://") + 3));
  if (path == "/hello") {
    std::cout << "hello" << std::endl;
    worker_respond(200, "hello");
  } else if (path == "/vars") {
    worker_respond(200, "%s", worker_env("GREETING"));
  } else if (path == "/props") {
    worker_respond(200, "%s", worker_props());
  } else if (path == "/levels") {
    log_levels();
    worker_respond(200, "logged");
  } else if (path == "/kv") {
    std::string color = "grün";
    worker_kv_put("KV", "color", color.data(), color.size());
    worker_respond(200, "%s", worker_kv_get("KV", "color", nullptr));
  } else if (path == "/stream") {
    stream(request->body);
  } else if (path == "/fail") {
    fail();
  } else if (path == "/memory") {
    std::vector<std::unique_ptr<char[]>> kept;
    for (;;) kept.push_back(std::make_unique<char[]>(1 << 20));
  } else if (path == "/overflow") {
    int none = 0;
    overflow(&none);
  } else if (path == "/exit") {
    std::exit(3);
  } else {
    worker_begin(404);
  }
}
