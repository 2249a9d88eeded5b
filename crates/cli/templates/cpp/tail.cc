#include "workers.h"

#include <iostream>
#include <span>

void tail(const worker_items *events) {
  for (const worker_item &item : std::span(events->ptr, events->len)) {
    std::cout << worker::text(item.script_name.val) << " ended " << worker_outcome(&item) << " with "
              << item.logs.len << " logs" << std::endl;
  }
}
