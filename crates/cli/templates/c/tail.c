#include "workers.h"

#include <stdio.h>

void tail(const worker_items *events) {
  for (size_t i = 0; i < events->len; i++) {
    const worker_item *item = &events->ptr[i];
    const char *name = worker_option(item->script_name);
    printf("%s ended %s with %zu logs\n", name, worker_outcome(item), item->logs.len);
  }
}
