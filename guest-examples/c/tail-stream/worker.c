#include "workers.h"

#include <stdio.h>
#include <stdlib.h>

/* What is kept of an invocation while it goes on. */
typedef struct {
  uint64_t began;
  int logs;
} live;

static void handle(void *data, const worker_event *event) {
  live *invocation = data;
  int after = event->timestamp - invocation->began;
  switch (event->event.tag) {
    case WORKER_EVENT_LOG:
      invocation->logs++;
      break;
    case WORKER_EVENT_SPAN_OPEN:
      printf("%d ms: %s begins\n", after, worker_string(event->event.val.span_open.name));
      break;
    case WORKER_EVENT_SPAN_CLOSE:
      printf("%d ms: a span ends: %s\n", after, worker_outcome_name(event->event.val.span_close));
      break;
    case WORKER_EVENT_EXCEPTION:
      printf("%d ms: %s\n", after, worker_string(event->event.val.exception.message));
      break;
    case WORKER_EVENT_OUTCOME:
      printf("%d ms: %s\n", after, worker_outcome_name(event->event.val.outcome.outcome));
      break;
  }
}

static void end(void *data) {
  live *invocation = data;
  printf("%d lines of log\n", invocation->logs);
  free(invocation);
}

worker_stream tail_stream(const worker_event *onset) {
  live *invocation = calloc(1, sizeof *invocation);
  invocation->began = onset->timestamp;
  printf("%s begins\n", worker_option(onset->event.val.onset.script_name));
  return (worker_stream){.event = handle, .end = end, .data = invocation};
}
