#include "workers.h"

#include <iostream>
#include <span>
#include <string>

void fetch(worker_request *request) {
  std::string url = request->url;
  std::string path = url.substr(url.find('/', url.find("://") + 3));
  std::cout << "asked for " << path << std::endl;
  worker_respond(200, "Hello from %s\n", path.c_str());
}

void tail(const worker_items *events) {
  for (const worker_item &item : std::span(events->ptr, events->len)) {
    std::cout << worker::text(item.script_name.val) << " ended " << worker_outcome(&item) << " with "
              << item.logs.len << " logs" << std::endl;
  }
}
