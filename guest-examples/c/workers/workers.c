#include "workers.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <wasi/api.h>

/* The generated code refers to it. */
void __component_type_object_force_link_bindings(void) {}

/* A line is written when it is complete, so that nothing is missing after a failure. */
__attribute__((constructor)) static void buffer_lines(void) {
  setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
}

/* What is allocated for an event, until it ends */

typedef struct allocation {
  struct allocation *next;
  max_align_t memory[];
} allocation;

static allocation *allocations;

static void *allocate(size_t size) {
  allocation *made = malloc(sizeof *made + size);
  if (!made) worker_fail("MemoryError", "out of memory");
  made->next = allocations;
  allocations = made;
  return made->memory;
}

/* Texts */

static bindings_string_t text(const char *bytes, size_t length) {
  return (bindings_string_t){(uint8_t *)bytes, length};
}

static bindings_string_t text_of(const char *string) {
  return text(string, strlen(string));
}

const char *worker_string(bindings_string_t text) {
  char *string = allocate(text.len + 1);
  memcpy(string, text.ptr, text.len);
  string[text.len] = 0;
  return string;
}

const char *worker_option(bindings_option_string_t text) {
  return text.is_some ? worker_string(text.val) : NULL;
}

/* Copies a text, and frees it. */
static const char *string_of(bindings_string_t *text) {
  const char *string = worker_string(*text);
  bindings_string_free(text);
  return string;
}

/* Replaces what is not UTF-8, which is no text for the host. */
static void replace_invalid(char *string) {
  for (uint8_t *c = (uint8_t *)string; *c;) {
    uint8_t low = *c == 0xE0 ? 0xA0 : *c == 0xF0 ? 0x90 : 0x80;
    uint8_t high = *c == 0xED ? 0x9F : *c == 0xF4 ? 0x8F : 0xBF;
    int more = *c < 0x80 ? 0 : *c < 0xC2 || *c > 0xF4 ? -1 : 1 + (*c >= 0xE0) + (*c >= 0xF0);
    int found = 0;
    for (; found < more && c[found + 1] >= low && c[found + 1] <= high; found++) low = 0x80, high = 0xBF;
    if (found == more)
      c += more + 1;
    else
      *c++ = '?';
  }
}

static char *formatted_with(const char *format, va_list arguments) {
  va_list again;
  va_copy(again, arguments);
  int length = vsnprintf(NULL, 0, format, again);
  va_end(again);
  char *string = allocate(length + 1);
  vsnprintf(string, length + 1, format, arguments);
  return string;
}

__attribute__((format(printf, 1, 2))) static char *formatted(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  char *string = formatted_with(format, arguments);
  va_end(arguments);
  return string;
}

/* Failures */

static _Noreturn void worker_give_up(const char *name, const char *message) {
  fflush(stdout);
  taffrail_workers_exceptions_failure_t failure = {.name = text_of(name), .message = text_of(message)};
  taffrail_workers_exceptions_abort(&failure);
  __builtin_trap();
}

void worker_fail(const char *name, const char *format, ...) {
  char message[1024];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(message, sizeof message, format, arguments);
  va_end(arguments);
  replace_invalid(message);
  worker_give_up(name, message);
}

void abort(void) {
  worker_give_up("abort", "abort() was called");
}

void _Exit(int status) {
  if (status == 0) __wasi_proc_exit(0);
  worker_fail("exit", "exited with status %d", status);
}

void __assert_fail(const char *condition, const char *file, int line, const char *function) {
  (void)file, (void)line;
  worker_fail("AssertionError", "%s, in %s", condition, function);
}

/* The check that files of Workers are compiled with. */
void __ubsan_handle_type_mismatch_minimal_abort(void) {
  worker_give_up("RuntimeError", "null pointer dereference");
}

/* Logs */

void worker_log(worker_level level, const char *format, ...) {
  static const wasi_logging_logging_level_t levels[] = {
      [WORKER_DEBUG] = WASI_LOGGING_LOGGING_LEVEL_DEBUG,
      [WORKER_INFO] = WASI_LOGGING_LOGGING_LEVEL_INFO,
      [WORKER_WARN] = WASI_LOGGING_LOGGING_LEVEL_WARN,
      [WORKER_ERROR] = WASI_LOGGING_LOGGING_LEVEL_ERROR,
  };
  va_list arguments;
  va_start(arguments, format);
  char *line = formatted_with(format, arguments);
  va_end(arguments);
  replace_invalid(line);
  if (level == WORKER_LOG) {
    puts(line);
  } else {
    bindings_string_t context = text("", 0), message = text_of(line);
    wasi_logging_logging_log(levels[level], &context, &message);
  }
}

/* Headers */

static worker_header *headers_of(wasi_http_types_own_fields_t fields) {
  wasi_http_types_list_tuple2_field_name_field_value_t entries;
  wasi_http_types_method_fields_entries(wasi_http_types_borrow_fields(fields), &entries);
  wasi_http_types_fields_drop_own(fields);
  worker_header *headers = allocate((entries.len + 1) * sizeof *headers);
  for (size_t i = 0; i < entries.len; i++) {
    wasi_http_types_field_value_t value = entries.ptr[i].f1;
    headers[i].name = worker_string(entries.ptr[i].f0);
    headers[i].value = worker_string((bindings_string_t){value.ptr, value.len});
  }
  headers[entries.len] = (worker_header){0};
  wasi_http_types_list_tuple2_field_name_field_value_free(&entries);
  return headers;
}

static void append(wasi_http_types_own_fields_t fields, const char *name, const char *value) {
  bindings_string_t field = text_of(name);
  wasi_http_types_field_value_t bytes = {(uint8_t *)value, strlen(value)};
  wasi_http_types_header_error_t error;
  if (!wasi_http_types_method_fields_append(wasi_http_types_borrow_fields(fields), &field, &bytes, &error))
    worker_fail("HeaderError", "`%s: %s` is no valid header field", name, value);
}

const char *worker_get_header(const worker_header *headers, const char *name) {
  for (; headers && headers->name; headers++)
    if (!strcasecmp(headers->name, name)) return headers->value;
  return NULL;
}

/* Waits for something of the host, and drops it. */
static void wait_for(wasi_io_poll_own_pollable_t pollable) {
  wasi_io_poll_method_pollable_block(wasi_io_poll_borrow_pollable(pollable));
  wasi_io_poll_pollable_drop_own(pollable);
}

/* Bodies that come in */

struct worker_body {
  worker_body *next;
  wasi_http_types_own_incoming_body_t incoming;
  wasi_http_types_own_input_stream_t stream;
  bool open;
};

/* Those of the event. */
static worker_body *bodies;

static worker_body *body_of(wasi_http_types_own_incoming_body_t incoming) {
  worker_body *body = allocate(sizeof *body);
  *body = (worker_body){.next = bodies, .incoming = incoming, .open = true};
  if (!wasi_http_types_method_incoming_body_stream(wasi_http_types_borrow_incoming_body(incoming), &body->stream))
    worker_fail("BodyError", "the body has been read");
  return bodies = body;
}

static void close_body(worker_body *body) {
  if (!body->open) return;
  body->open = false;
  wasi_io_streams_input_stream_drop_own(body->stream);
  wasi_http_types_incoming_body_drop_own(body->incoming);
}

size_t worker_read(worker_body *body, void *buffer, size_t size) {
  if (!body || !body->open || size == 0) return 0;
  bindings_list_u8_t piece;
  wasi_io_streams_stream_error_t error;
  do {
    if (!wasi_io_streams_method_input_stream_blocking_read(
            wasi_io_streams_borrow_input_stream(body->stream), size, &piece, &error)) {
      if (error.tag != WASI_IO_STREAMS_STREAM_ERROR_CLOSED) worker_fail("BodyError", "the body broke off");
      close_body(body);
      return 0;
    }
  } while (piece.len == 0);
  memcpy(buffer, piece.ptr, piece.len);
  size_t length = piece.len;
  bindings_list_u8_free(&piece);
  return length;
}

char *worker_text(worker_body *body, size_t *length) {
  size_t capacity = 4096, used = 0, read;
  char *bytes = allocate(capacity);
  while ((read = worker_read(body, bytes + used, capacity - used - 1))) {
    used += read;
    if (capacity - used < 1024) {
      char *more = allocate(capacity *= 2);
      bytes = memcpy(more, bytes, used);
    }
  }
  bytes[used] = 0;
  if (length) *length = used;
  return bytes;
}

/* Bodies that go out */

typedef struct {
  wasi_http_types_own_outgoing_body_t body;
  wasi_http_types_own_output_stream_t stream;
} outgoing;

/* Writes, and returns whether there still is a reader. */
static bool send(outgoing *out, const uint8_t *data, size_t length) {
  wasi_io_streams_borrow_output_stream_t stream = wasi_io_streams_borrow_output_stream(out->stream);
  wasi_io_streams_stream_error_t error;
  while (length > 0) {
    uint64_t permitted;
    if (!wasi_io_streams_method_output_stream_check_write(stream, &permitted, &error)) return false;
    if (permitted == 0) {
      wait_for(wasi_io_streams_method_output_stream_subscribe(stream));
      continue;
    }
    bindings_list_u8_t piece = {(uint8_t *)data, length < permitted ? length : permitted};
    if (!wasi_io_streams_method_output_stream_write(stream, &piece, &error)) return false;
    data += piece.len, length -= piece.len;
  }
  return wasi_io_streams_method_output_stream_blocking_flush(stream, &error);
}

static void finish(outgoing *out) {
  wasi_io_streams_output_stream_drop_own(out->stream);
  wasi_http_types_error_code_t error;
  wasi_http_types_static_outgoing_body_finish(out->body, NULL, &error);
}

/* The response of the invocation */

static struct response {
  wasi_http_types_own_response_outparam_t param;
  wasi_http_types_own_fields_t headers;
  outgoing out;
  bool expected, begun, closed;
} response;

static void expect_response(void) {
  if (!response.expected) worker_fail("ResponseError", "there is no request to respond to");
  if (response.begun) worker_fail("ResponseError", "the response has begun");
}

void worker_add_header(const char *name, const char *value) {
  expect_response();
  append(response.headers, name, value);
}

void worker_begin(int status) {
  expect_response();
  response.begun = true;
  wasi_http_types_own_outgoing_response_t head = wasi_http_types_constructor_outgoing_response(response.headers);
  wasi_http_types_borrow_outgoing_response_t borrowed = wasi_http_types_borrow_outgoing_response(head);
  if (!wasi_http_types_method_outgoing_response_set_status_code(borrowed, status))
    worker_fail("ResponseError", "%d is no valid status", status);
  wasi_http_types_method_outgoing_response_body(borrowed, &response.out.body);
  wasi_http_types_result_own_outgoing_response_error_code_t result = {.val.ok = head};
  wasi_http_types_static_response_outparam_set(response.param, &result);
  wasi_http_types_method_outgoing_body_write(
      wasi_http_types_borrow_outgoing_body(response.out.body), &response.out.stream);
}

void worker_write(const void *data, size_t length) {
  if (!response.begun) worker_begin(200);
  response.closed = response.closed || !send(&response.out, data, length);
}

void worker_respond(int status, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  char *body = formatted_with(format, arguments);
  va_end(arguments);
  worker_begin(status);
  worker_write(body, strlen(body));
}

/* Requests */

static const char *const METHODS[] = {"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"};

static wasi_http_types_method_t method_of(const char *name) {
  wasi_http_types_method_t method = {.tag = WASI_HTTP_TYPES_METHOD_OTHER, .val.other = text_of(name)};
  for (uint8_t tag = 0; tag < WASI_HTTP_TYPES_METHOD_OTHER; tag++)
    if (!strcmp(METHODS[tag], name)) method.tag = tag;
  return method;
}

static const char *const ERRORS[] = {
    "DNS timeout", "DNS error", "destination not found", "destination unavailable",
    "destination IP prohibited", "destination IP unroutable", "connection refused",
    "connection terminated", "connection timeout", "connection read timeout",
    "connection write timeout", "connection limit reached", "TLS protocol error",
    "TLS certificate error", "TLS alert received", "HTTP request denied",
};

static const char *error_of(wasi_http_types_error_code_t *error, const char *url) {
  const char *name = "HTTP protocol error";
  if (error->tag < sizeof ERRORS / sizeof *ERRORS) name = ERRORS[error->tag];
  if (error->tag == WASI_HTTP_TYPES_ERROR_CODE_INTERNAL_ERROR && error->val.internal_error.is_some)
    name = string_of(&error->val.internal_error.val);
  return formatted("%s: %s", url, name);
}

static void set_url(wasi_http_types_borrow_outgoing_request_t request, const char *url) {
  if (!url) worker_fail("URLError", "the URL is NULL");
  const char *separator = strstr(url, "://");
  if (!separator) worker_fail("URLError", "`%s` is no URL", url);
  size_t length = separator - url;
  wasi_http_types_scheme_t scheme = {.tag = WASI_HTTP_TYPES_SCHEME_OTHER, .val.other = text(url, length)};
  if (length == 4 && !strncasecmp(url, "http", 4)) scheme.tag = WASI_HTTP_TYPES_SCHEME_HTTP;
  if (length == 5 && !strncasecmp(url, "https", 5)) scheme.tag = WASI_HTTP_TYPES_SCHEME_HTTPS;
  const char *host = separator + 3;
  size_t end = strcspn(host, "/?#");
  bindings_string_t authority = text(host, end);
  int length_of_path = strcspn(host + end, "#");
  const char *root = host[end] == '/' ? "" : "/";
  bindings_string_t path_with_query = text_of(formatted("%s%.*s", root, length_of_path, host + end));
  if (!wasi_http_types_method_outgoing_request_set_scheme(request, &scheme) ||
      !wasi_http_types_method_outgoing_request_set_authority(request, &authority) ||
      !wasi_http_types_method_outgoing_request_set_path_with_query(request, &path_with_query))
    worker_fail("URLError", "`%s` is no URL", url);
}

worker_response worker_fetch(const char *url, worker_options options) {
  wasi_http_types_own_fields_t headers = wasi_http_types_constructor_fields();
  for (const worker_header *header = options.headers; header && header->name; header++)
    append(headers, header->name, header->value);
  wasi_http_types_own_outgoing_request_t request = wasi_http_types_constructor_outgoing_request(headers);
  wasi_http_types_borrow_outgoing_request_t borrowed = wasi_http_types_borrow_outgoing_request(request);
  wasi_http_types_method_t method = method_of(options.method ? options.method : "GET");
  if (!wasi_http_types_method_outgoing_request_set_method(borrowed, &method))
    worker_fail("RequestError", "`%s` is no method", options.method);
  set_url(borrowed, url);
  outgoing out;
  wasi_http_types_method_outgoing_request_body(borrowed, &out.body);
  wasi_http_types_own_future_incoming_response_t future;
  wasi_http_types_error_code_t error;
  bindings_string_t service = text_of(options.service ? options.service : "");
  bool sent = options.service ? taffrail_workers_services_fetch(&service, request, NULL, &future, &error)
                              : wasi_http_outgoing_handler_handle(request, NULL, &future, &error);
  if (!sent) {
    wasi_http_types_outgoing_body_drop_own(out.body);
    return (worker_response){.error = error_of(&error, url)};
  }
  wasi_http_types_method_outgoing_body_write(wasi_http_types_borrow_outgoing_body(out.body), &out.stream);
  if (options.body) {
    size_t length = options.length ? options.length : strlen(options.body);
    send(&out, options.body, length);
  }
  finish(&out);

  wasi_http_types_borrow_future_incoming_response_t waiting = wasi_http_types_borrow_future_incoming_response(future);
  wait_for(wasi_http_types_method_future_incoming_response_subscribe(waiting));
  wasi_http_types_result_result_own_incoming_response_error_code_void_t result;
  wasi_http_types_method_future_incoming_response_get(waiting, &result);
  wasi_http_types_future_incoming_response_drop_own(future);
  if (result.val.ok.is_err) return (worker_response){.error = error_of(&result.val.ok.val.err, url)};
  wasi_http_types_own_incoming_response_t incoming = result.val.ok.val.ok;
  wasi_http_types_borrow_incoming_response_t head = wasi_http_types_borrow_incoming_response(incoming);
  wasi_http_types_own_incoming_body_t body;
  wasi_http_types_method_incoming_response_consume(head, &body);
  worker_response response = {
      .status = wasi_http_types_method_incoming_response_status(head),
      .headers = headers_of(wasi_http_types_method_incoming_response_headers(head)),
      .body = body_of(body),
  };
  wasi_http_types_incoming_response_drop_own(incoming);
  return response;
}

/* What a Worker knows of itself */

const char *worker_env(const char *name) {
  return getenv(name);
}

const char *worker_props(void) {
  bindings_string_t props;
  taffrail_workers_context_props(&props);
  return string_of(&props);
}

const char *worker_invocation_id(void) {
  bindings_string_t id;
  taffrail_workers_context_invocation_id(&id);
  return string_of(&id);
}

const char *worker_events_json(void) {
  bindings_string_t json;
  taffrail_workers_context_events_json(&json);
  return string_of(&json);
}

/* KV */

static _Noreturn void fail_kv(const char *binding, const wasi_keyvalue_store_error_t *error) {
  if (error->tag == WASI_KEYVALUE_STORE_ERROR_OTHER)
    worker_fail("KVError", "%s: %.*s", binding, (int)error->val.other.len, (const char *)error->val.other.ptr);
  worker_fail("KVError", "%s: there is no such KV namespace", binding);
}

static wasi_keyvalue_store_own_bucket_t bucket(const char *binding) {
  bindings_string_t name = text_of(binding);
  wasi_keyvalue_store_own_bucket_t opened;
  wasi_keyvalue_store_error_t error;
  if (!wasi_keyvalue_store_open(&name, &opened, &error)) fail_kv(binding, &error);
  return opened;
}

char *worker_kv_get(const char *binding, const char *key, size_t *length) {
  wasi_keyvalue_store_own_bucket_t opened = bucket(binding);
  bindings_string_t name = text_of(key);
  bindings_option_list_u8_t value;
  wasi_keyvalue_store_error_t error;
  if (!wasi_keyvalue_store_method_bucket_get(wasi_keyvalue_store_borrow_bucket(opened), &name, &value, &error))
    fail_kv(binding, &error);
  wasi_keyvalue_store_bucket_drop_own(opened);
  if (!value.is_some) return NULL;
  if (length) *length = value.val.len;
  char *bytes = allocate(value.val.len + 1);
  memcpy(bytes, value.val.ptr, value.val.len);
  bytes[value.val.len] = 0;
  bindings_list_u8_free(&value.val);
  return bytes;
}

void worker_kv_put(const char *binding, const char *key, const void *value, size_t length) {
  wasi_keyvalue_store_own_bucket_t opened = bucket(binding);
  bindings_string_t name = text_of(key);
  bindings_list_u8_t bytes = {(uint8_t *)value, length};
  wasi_keyvalue_store_error_t error;
  if (!wasi_keyvalue_store_method_bucket_set(wasi_keyvalue_store_borrow_bucket(opened), &name, &bytes, &error))
    fail_kv(binding, &error);
  wasi_keyvalue_store_bucket_drop_own(opened);
}

void worker_kv_delete(const char *binding, const char *key) {
  wasi_keyvalue_store_own_bucket_t opened = bucket(binding);
  bindings_string_t name = text_of(key);
  wasi_keyvalue_store_error_t error;
  if (!wasi_keyvalue_store_method_bucket_delete(wasi_keyvalue_store_borrow_bucket(opened), &name, &error))
    fail_kv(binding, &error);
  wasi_keyvalue_store_bucket_drop_own(opened);
}

const char *const *worker_kv_list(const char *binding) {
  wasi_keyvalue_store_own_bucket_t opened = bucket(binding);
  bindings_option_string_t cursor = {0};
  const char **keys = allocate(sizeof *keys);
  size_t count = 0;
  do {
    wasi_keyvalue_store_key_response_t page;
    wasi_keyvalue_store_error_t error;
    if (!wasi_keyvalue_store_method_bucket_list_keys(wasi_keyvalue_store_borrow_bucket(opened),
                                                     cursor.is_some ? &cursor.val : NULL, &page, &error))
      fail_kv(binding, &error);
    const char **longer = allocate((count + page.keys.len + 1) * sizeof *keys);
    keys = memcpy(longer, keys, count * sizeof *keys);
    for (size_t i = 0; i < page.keys.len; i++) keys[count++] = worker_string(page.keys.ptr[i]);
    cursor.is_some = page.cursor.is_some;
    if (cursor.is_some) cursor.val = text_of(worker_string(page.cursor.val));
    bindings_list_string_free(&page.keys);
    bindings_option_string_free(&page.cursor);
  } while (cursor.is_some);
  keys[count] = NULL;
  wasi_keyvalue_store_bucket_drop_own(opened);
  return keys;
}

/* Trace items */

const char *worker_outcome(const worker_item *item) {
  return worker_outcome_name(item->outcome);
}

const char *worker_outcome_name(taffrail_workers_types_outcome_t outcome) {
  static const char *const names[] = {
      "unknown", "ok", "exception", "exceededCpu", "killSwitch", "daemonDown", "scriptNotFound",
      "canceled", "exceededMemory", "loadShed", "responseStreamDisconnected", "internalError",
      "exceededWallTime", "aborted",
  };
  return names[outcome];
}

static worker_tail_request tail_request(const taffrail_workers_types_tail_request_t *request) {
  worker_header *headers = allocate((request->headers.len + 1) * sizeof *headers);
  for (size_t i = 0; i < request->headers.len; i++) {
    headers[i].name = worker_string(request->headers.ptr[i].f0);
    headers[i].value = worker_string(request->headers.ptr[i].f1);
  }
  headers[request->headers.len] = (worker_header){0};
  return (worker_tail_request){
      .url = worker_string(request->url),
      .method = worker_string(request->method),
      .headers = headers,
      .cf = request->cf.is_some ? worker_string(request->cf.val) : NULL,
  };
}

worker_tail_request worker_redacted(const worker_fetch_event *event) {
  return tail_request(&event->request);
}

worker_tail_request worker_unredacted(const worker_fetch_event *event) {
  taffrail_workers_types_tail_request_t raw;
  taffrail_workers_types_method_raw_request_get_unredacted(
      taffrail_workers_types_borrow_raw_request(event->raw), &raw);
  worker_tail_request request = tail_request(&raw);
  taffrail_workers_types_tail_request_free(&raw);
  return request;
}

/* The exports */

static void end_event(void) {
  fflush(stdout);
  for (; bodies; bodies = bodies->next) close_body(bodies);
  while (allocations) {
    allocation *next = allocations->next;
    free(allocations);
    allocations = next;
  }
}

static const char *url_of(wasi_http_types_borrow_incoming_request_t request) {
  wasi_http_types_scheme_t scheme = {.tag = WASI_HTTP_TYPES_SCHEME_HTTP};
  wasi_http_types_method_incoming_request_scheme(request, &scheme);
  bindings_string_t host = text("", 0), path = text("/", 1);
  if (wasi_http_types_method_incoming_request_authority(request, &host)) host = text_of(string_of(&host));
  if (wasi_http_types_method_incoming_request_path_with_query(request, &path)) path = text_of(string_of(&path));
  const char *name = scheme.tag == WASI_HTTP_TYPES_SCHEME_HTTPS ? "https" : "http";
  return formatted("%s://%s%s", name, (const char *)host.ptr, (const char *)path.ptr);
}

void exports_wasi_http_incoming_handler_handle(wasi_http_types_own_incoming_request_t incoming,
                                               wasi_http_types_own_response_outparam_t param) {
  response = (struct response){
      .param = param,
      .headers = wasi_http_types_constructor_fields(),
      .expected = true,
  };
  wasi_http_types_borrow_incoming_request_t borrowed = wasi_http_types_borrow_incoming_request(incoming);
  wasi_http_types_method_t method;
  wasi_http_types_method_incoming_request_method(borrowed, &method);
  wasi_http_types_own_incoming_body_t body;
  wasi_http_types_method_incoming_request_consume(borrowed, &body);
  worker_request request = {
      .method = method.tag == WASI_HTTP_TYPES_METHOD_OTHER ? string_of(&method.val.other) : METHODS[method.tag],
      .url = url_of(borrowed),
      .headers = headers_of(wasi_http_types_method_incoming_request_headers(borrowed)),
      .body = body_of(body),
  };
  wasi_http_types_incoming_request_drop_own(incoming);
  fetch(&request);
  if (response.begun) finish(&response.out);
  end_event();
}

/* Drops what an event holds of the host. */
static void drop_request(const taffrail_workers_types_event_info_t *event) {
  if (event->tag == TAFFRAIL_WORKERS_TYPES_EVENT_INFO_FETCH)
    taffrail_workers_types_raw_request_drop_own(event->val.fetch.raw);
}

void exports_taffrail_workers_tail_tail(worker_items *events) {
  response = (struct response){0};
  tail(events);
  for (worker_item *item = events->ptr; item < events->ptr + events->len; item++)
    if (item->event.is_some) drop_request(&item->event.val);
  exports_taffrail_workers_tail_list_trace_item_free(events);
  end_event();
}

struct exports_taffrail_workers_streaming_tail_tail_stream_t {
  worker_stream handler;
};

typedef exports_taffrail_workers_streaming_tail_tail_stream_t stream;

exports_taffrail_workers_streaming_tail_own_tail_stream_t
exports_taffrail_workers_streaming_tail_constructor_tail_stream(worker_event *onset) {
  response = (struct response){0};
  stream *opened = malloc(sizeof *opened);
  if (!opened) worker_fail("MemoryError", "out of memory");
  opened->handler = tail_stream(onset);
  drop_request(&onset->event.val.onset.info);
  taffrail_workers_stream_events_stream_item_free(onset);
  end_event();
  return exports_taffrail_workers_streaming_tail_tail_stream_new(opened);
}

void exports_taffrail_workers_streaming_tail_method_tail_stream_event(stream *opened, worker_event *event) {
  if (opened->handler.event) opened->handler.event(opened->handler.data, event);
  taffrail_workers_stream_events_stream_item_free(event);
  end_event();
}

void exports_taffrail_workers_streaming_tail_tail_stream_destructor(stream *opened) {
  if (opened->handler.end) opened->handler.end(opened->handler.data);
  free(opened);
  end_event();
}
