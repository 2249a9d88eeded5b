#include "workers.h"

#include <stdio.h>
#include <string.h>

void fetch(worker_request *request) {
  const char *path = strchr(strstr(request->url, "://") + 3, '/');
  printf("asked for %s\n", path);
  worker_respond(200, "Hello from %s\n", path);
}
