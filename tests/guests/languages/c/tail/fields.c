#include "fields.h"

#include <inttypes.h>
#include <stdio.h>

#define EACH(element, list) \
  for (typeof((list).ptr[0]) *element = (list).ptr; element < (list).ptr + (list).len; element++)

static void text(bindings_string_t text) {
  printf(" \"%.*s\"", (int)text.len, (const char *)text.ptr);
}

static void option(bindings_option_string_t option) {
  if (option.is_some)
    text(option.val);
  else
    printf(" -");
}

static void json(taffrail_workers_types_option_json_t option) {
  if (option.is_some)
    text(option.val);
  else
    printf(" -");
}

static void number(uint64_t number) {
  printf(" %" PRIu64, number);
}

static void boolean(bool boolean) {
  printf(boolean ? " true" : " false");
}

static void none(bool is_some) {
  if (!is_some) printf(" -");
}

static void end(void) {
  putchar('\n');
}

static void show_fetch(const worker_fetch_event *event) {
  text(event->request.url), text(event->request.method), json(event->request.cf);
  none(event->response.is_some);
  if (event->response.is_some) number(event->response.val.status);
  EACH(header, event->request.headers) printf("\nheader"), text(header->f0), text(header->f1);
}

static void show_event(const taffrail_workers_types_event_info_t *event) {
  number(event->tag);
  switch (event->tag) {
    case TAFFRAIL_WORKERS_TYPES_EVENT_INFO_FETCH:
      show_fetch(&event->val.fetch);
      break;
    case TAFFRAIL_WORKERS_TYPES_EVENT_INFO_RPC:
      text(event->val.rpc.rpc_method);
      break;
    case TAFFRAIL_WORKERS_TYPES_EVENT_INFO_SCHEDULED:
      text(event->val.scheduled.cron), number(event->val.scheduled.scheduled_time);
      break;
    case TAFFRAIL_WORKERS_TYPES_EVENT_INFO_ALARM:
      number(event->val.alarm.scheduled_time);
      break;
    case TAFFRAIL_WORKERS_TYPES_EVENT_INFO_QUEUE:
      text(event->val.queue.queue), number(event->val.queue.batch_size);
      break;
    case TAFFRAIL_WORKERS_TYPES_EVENT_INFO_EMAIL:
      text(event->val.email.mail_from), text(event->val.email.rcpt_to), number(event->val.email.raw_size);
      break;
    case TAFFRAIL_WORKERS_TYPES_EVENT_INFO_TAIL:
      EACH(consumed, event->val.tail.consumed_events) printf("\nconsumed"), option(consumed->script_name);
      break;
    case TAFFRAIL_WORKERS_TYPES_EVENT_INFO_HIBERNATABLE_WEB_SOCKET:
      number(event->val.hibernatable_web_socket.tag);
      if (event->val.hibernatable_web_socket.tag == TAFFRAIL_WORKERS_TYPES_HIBERNATABLE_WEB_SOCKET_EVENT_CLOSE) {
        number(event->val.hibernatable_web_socket.val.close.code);
        boolean(event->val.hibernatable_web_socket.val.close.was_clean);
      }
      break;
  }
}

static void show_log(const taffrail_workers_types_trace_log_t *log) {
  printf("log"), number(log->timestamp), number(log->level), end();
  EACH(argument, log->message) printf("message"), text(*argument), end();
  if (!log->error_info.is_some) return;
  EACH(error, log->error_info.val) {
    printf("error"), none(error->is_some);
    if (error->is_some) text(error->val.name), text(error->val.message), option(error->val.stack);
    end();
  }
}

static void show_attribute(const taffrail_workers_types_tuple2_string_attribute_value_t *attribute) {
  printf("attribute"), text(attribute->f0), number(attribute->f1.tag);
  switch (attribute->f1.tag) {
    case TAFFRAIL_WORKERS_TYPES_ATTRIBUTE_VALUE_TEXT:
      text(attribute->f1.val.text);
      break;
    case TAFFRAIL_WORKERS_TYPES_ATTRIBUTE_VALUE_NUMBER:
      printf(" %g", attribute->f1.val.number);
      break;
    case TAFFRAIL_WORKERS_TYPES_ATTRIBUTE_VALUE_BOOLEAN:
      boolean(attribute->f1.val.boolean);
      break;
  }
  end();
}

void show(const worker_item *item) {
  printf("event"), none(item->event.is_some);
  if (item->event.is_some) show_event(&item->event.val);
  printf("\ntimestamp"), none(item->event_timestamp.is_some);
  if (item->event_timestamp.is_some) number(item->event_timestamp.val);
  end();
  EACH(log, item->logs) show_log(log);
  EACH(exception, item->exceptions) {
    printf("exception"), number(exception->timestamp);
    text(exception->name), text(exception->message), option(exception->stack), end();
  }
  EACH(event, item->diagnostics_channel_events)
    printf("channel"), number(event->timestamp), text(event->channel), json(event->message), end();
  printf("script"), option(item->script_name);
  printf("\nentrypoint"), option(item->entrypoint);
  printf("\nversion"), none(item->script_version.is_some);
  if (item->script_version.is_some) {
    taffrail_workers_types_script_version_t version = item->script_version.val;
    option(version.id), option(version.tag), option(version.message);
  }
  end();
  EACH(tag, item->script_tags) printf("tag"), text(*tag), end();
  printf("namespace"), option(item->dispatch_namespace), end();
  EACH(attribute, item->tail_attributes) show_attribute(attribute);
  printf("preview"), none(item->preview.is_some);
  if (item->preview.is_some) {
    taffrail_workers_types_preview_t preview = item->preview.val;
    text(preview.id), text(preview.slug), text(preview.name);
  }
  printf("\nobject"), option(item->durable_object_id);
  printf("\nmodel"), number(item->execution_model);
  printf("\noutcome"), number(item->outcome);
  printf("\ntruncated"), boolean(item->truncated);
  printf("\ncpu"), number(item->cpu_time);
  printf("\nwall"), number(item->wall_time);
  printf("\ninvocation"), text(item->invocation_id);
  printf("\nrequest"), text(item->request_id);
  printf("\nparent"), option(item->parent_invocation_id);
  printf("\nmemory"), number(item->peak_memory);
  printf("\nlimit"), none(item->exceeded_limit.is_some);
  if (item->exceeded_limit.is_some) text(item->exceeded_limit.val.key), number(item->exceeded_limit.val.value);
  printf("\ndropped"), none(item->dropped.is_some);
  if (item->dropped.is_some) {
    taffrail_workers_types_dropped_entries_t dropped = item->dropped.val;
    number(dropped.logs), number(dropped.exceptions), number(dropped.diagnostics_channel_events);
  }
  printf("\nlost"), number(item->lost_items), end();
}
