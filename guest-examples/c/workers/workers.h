/* Workers and Tail Workers in C and C++.
 *
 *     #include "workers.h"
 *
 *     void fetch(worker_request *request) {
 *       worker_log(WORKER_INFO, "asked for %s", request->url);
 *       worker_respond(200, "Hello\n");
 *     }
 *
 * A Worker defines `fetch`, `tail`, `tail_stream`, or several of them. What the functions here
 * return is freed when the handler returns, and not before. */

#ifndef WORKERS_H
#define WORKERS_H

#include <stddef.h>
#include <stdint.h>

#include "bindings.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A header field. Lists of them end with a field without a name. */
typedef struct {
  const char *name, *value;
} worker_header;

/* A body, which can be read once. */
typedef struct worker_body worker_body;

typedef struct {
  const char *method;
  const char *url;
  const worker_header *headers;
  worker_body *body;
} worker_request;

typedef struct {
  int status;         /* 0 if there is no response */
  const char *error;  /* why there is none */
  const worker_header *headers;
  worker_body *body;
} worker_response;

/* The items of a tail event: `ptr` and `len`. The types are those of `wit/types.wit`, in
 * `bindings.h`. */
typedef exports_taffrail_workers_tail_list_trace_item_t worker_items;
typedef taffrail_workers_types_trace_item_t worker_item;
typedef taffrail_workers_types_fetch_event_t worker_fetch_event;

/* An event of a streaming tail. `event.tag` is its kind, with which `event.val` has a field. The
 * types are those of `wit/streaming.wit`. */
typedef taffrail_workers_stream_events_stream_item_t worker_event;

enum {
  WORKER_EVENT_ONSET = TAFFRAIL_WORKERS_STREAM_EVENTS_STREAM_EVENT_ONSET,
  WORKER_EVENT_LOG = TAFFRAIL_WORKERS_STREAM_EVENTS_STREAM_EVENT_LOG,
  WORKER_EVENT_EXCEPTION = TAFFRAIL_WORKERS_STREAM_EVENTS_STREAM_EVENT_EXCEPTION,
  WORKER_EVENT_DIAGNOSTIC_CHANNEL = TAFFRAIL_WORKERS_STREAM_EVENTS_STREAM_EVENT_DIAGNOSTIC_CHANNEL,
  WORKER_EVENT_SPAN_OPEN = TAFFRAIL_WORKERS_STREAM_EVENTS_STREAM_EVENT_SPAN_OPEN,
  WORKER_EVENT_ATTRIBUTES = TAFFRAIL_WORKERS_STREAM_EVENTS_STREAM_EVENT_ATTRIBUTES,
  WORKER_EVENT_SPAN_CLOSE = TAFFRAIL_WORKERS_STREAM_EVENTS_STREAM_EVENT_SPAN_CLOSE,
  WORKER_EVENT_RETURN = TAFFRAIL_WORKERS_STREAM_EVENTS_STREAM_EVENT_RETURN,
  WORKER_EVENT_DROPPED = TAFFRAIL_WORKERS_STREAM_EVENTS_STREAM_EVENT_DROPPED,
  WORKER_EVENT_OUTCOME = TAFFRAIL_WORKERS_STREAM_EVENTS_STREAM_EVENT_OUTCOME,
};

/* What handles the events of an invocation after its onset. Each function gets `data`, and may be
 * NULL. An event is freed when the function that handles it returns. */
typedef struct {
  void (*event)(void *data, const worker_event *event);
  void (*end)(void *data); /* after the last event */
  void *data;
} worker_stream;

/* The handlers, defined by the Worker. */
void fetch(worker_request *request);
void tail(const worker_items *events);
worker_stream tail_stream(const worker_event *onset);

/* The value of the first field of this name, or NULL. The case of names does not matter. */
const char *worker_get_header(const worker_header *headers, const char *name);

/* Reads the next bytes of a body. Returns their number, 0 at its end. */
size_t worker_read(worker_body *body, void *buffer, size_t size);

/* Reads the rest of a body, as text. `length` may be NULL. */
char *worker_text(worker_body *body, size_t *length);

/* Adds a field to the headers of the response, which is not begun yet. */
void worker_add_header(const char *name, const char *value);

/* Begins the response. `worker_write` sends the body piece by piece, up to the return of
 * `fetch`. */
void worker_begin(int status);
void worker_write(const void *data, size_t length);

/* Sends a whole response whose body is a text. */
void worker_respond(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* What a request has besides its URL. All of it is optional. */
typedef struct {
  const char *method;
  const worker_header *headers;
  const void *body;
  size_t length;       /* of the body; 0 for a body that is a text */
  const char *service; /* the binding of the Worker that gets the request */
} worker_options;

/* Sends a request, and waits for the response. */
worker_response worker_fetch(const char *url, worker_options options);

/* The value of a var, or NULL. */
const char *worker_env(const char *name);

/* The props that the caller's binding gave, as JSON. */
const char *worker_props(void);

/* The id under which the invocation is recorded. */
const char *worker_invocation_id(void);

/* The name of the outcome of an item, or of one in an event, as in JavaScript: `ok`, `exception`,
 * `exceededCpu`, ... */
const char *worker_outcome(const worker_item *item);
const char *worker_outcome_name(taffrail_workers_types_outcome_t outcome);

/* The request of a fetch event. `cf` is JSON, or NULL. */
typedef struct {
  const char *url;
  const char *method;
  const worker_header *headers;
  const char *cf;
} worker_tail_request;

/* The request without secrets, and as it was received. */
worker_tail_request worker_redacted(const worker_fetch_event *event);
worker_tail_request worker_unredacted(const worker_fetch_event *event);

/* A text of the bindings as a string; of an option that is absent, NULL. */
const char *worker_string(bindings_string_t text);
const char *worker_option(bindings_option_string_t text);

/* In `tail`, the items as the text that `JSON.stringify(events)` gives in JavaScript. */
const char *worker_events_json(void);

/* The KV namespace of a binding. `worker_kv_get` returns NULL if there is no such key, and
 * ends every value with a NUL that is not part of it. `length` may be NULL. The list of keys
 * ends with NULL. A binding that does not exist ends the invocation. */
char *worker_kv_get(const char *binding, const char *key, size_t *length);
void worker_kv_put(const char *binding, const char *key, const void *value, size_t length);
void worker_kv_delete(const char *binding, const char *key);
const char *const *worker_kv_list(const char *binding);

typedef enum { WORKER_DEBUG, WORKER_INFO, WORKER_LOG, WORKER_WARN, WORKER_ERROR } worker_level;

/* Writes an entry to the Worker's log. */
void worker_log(worker_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Ends the invocation with an exception. */
__attribute__((noreturn, format(printf, 2, 3)))
void worker_fail(const char *name, const char *format, ...);

#ifdef __cplusplus
}

#include <string>

namespace worker {

/* A text of the bindings, as C++ has it. */
inline std::string text(const bindings_string_t &text) {
  return {reinterpret_cast<const char *>(text.ptr), text.len};
}

inline std::string text(worker_body *body) {
  size_t length;
  const char *bytes = worker_text(body, &length);
  return {bytes, length};
}

/* A stream with an object of the class `T`, which is made with the onset and deleted at the end.
 * Its method `event` is called with each later event. */
template <typename T>
worker_stream stream(const worker_event *onset) {
  return {
      [](void *data, const worker_event *event) { static_cast<T *>(data)->event(*event); },
      [](void *data) { delete static_cast<T *>(data); },
      new T(*onset),
  };
}

}  // namespace worker
#endif

#endif
