//! Workers in C and C++.

use serde_json::json;
use taffrail_tests::scenario::{Scenario, logs};
use taffrail_tests::sources::{
    check_echo, check_refused, check_stream, exception, failed, last, shop, streamed, tail,
};

const PRODUCER: &str = r#"
#include "workers.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "orders.h"

static void echo(worker_request *request) {
  worker_add_header("x-method", request->method);
  worker_add_header("x-in", worker_get_header(request->headers, "X-IN"));
  worker_begin(201);
  char piece[1000];
  for (size_t read; (read = worker_read(request->body, piece, sizeof piece));)
    worker_write(piece, read);
}

static void levels(void) {
  worker_log(WORKER_DEBUG, "a %s", "debug");
  worker_log(WORKER_INFO, "an info");
  worker_log(WORKER_WARN, "a warning");
  worker_log(WORKER_ERROR, "an error");
  worker_log(WORKER_LOG, "a log");
  worker_log(WORKER_INFO, "caf\xe9 \xe2\x82\xac \xed\xa0\x80 \xf0\x9f\x8c\x8a \xe2\x82");
  printf("printed\n");
  fprintf(stderr, "to stderr\n");
  printf("without an end");
  worker_respond(200, "logged");
}

static void kv(void) {
  worker_kv_put("KV", "color", "grün", strlen("grün"));
  const char *color = worker_kv_get("KV", "color", NULL);
  const char *const *keys = worker_kv_list("KV");
  worker_kv_delete("KV", "color");
  const char *gone = worker_kv_get("KV", "color", NULL);
  worker_respond(200, "%s %s %s %s", color, keys[0], keys[1] ? "more" : "no more", gone ? "there" : "gone");
}

static void service(void) {
  worker_options post = {.method = "POST", .body = "body", .service = "OTHER"};
  worker_response response = worker_fetch("http://other/there", post);
  worker_respond(200, "%d %s", response.status, worker_text(response.body, NULL));
}

static void gone(void) {
  worker_response response = worker_fetch("http://127.0.0.1:1/", (worker_options){0});
  worker_respond(200, "%d %s", response.status, response.error);
}

static void aborts(void) { abort(); }

static void needs(int number) { assert(number > 7); }

static void leaves(void) { exit(3); }

static void fails(void) { worker_fail("OrderError", "no such order: %d", 7); }

static void *volatile kept;

static void memory(void) {
  while ((kept = malloc(1 << 20))) {}
  perror("malloc");
  abort();
}

static void memory_and_exit(void) {
  while ((kept = malloc(1 << 20))) {}
  exit(1);
}

static void copes(void) {
  while ((kept = malloc(1 << 20))) {}
  worker_fail("OrderError", "too large");
}

static int overflow(volatile int *above) {
  volatile int here[100] = {*above};
  return overflow(here) + here[0];
}

static void null(void) {
  char **missing = kept = NULL;
  worker_respond(200, "%s", *missing);
}

void fetch(worker_request *request) {
  const char *path = strrchr(request->url, '/');
#define IS(name) !strcmp(path, name)
  if (IS("/echo")) echo(request);
  if (IS("/levels")) levels();
  if (IS("/kv")) kv();
  if (IS("/nokv")) worker_kv_get("NONE", "color", NULL);
  if (IS("/service")) service();
  if (IS("/nourl")) worker_fetch(worker_env("NONE"), (worker_options){0});
  if (IS("/gone")) gone();
  if (IS("/second")) worker_respond(200, "%d", second_order());
  if (IS("/abort")) aborts();
  if (IS("/assert")) needs(3);
  if (IS("/exit")) leaves();
  if (IS("/fail")) fails();
  if (IS("/memory")) memory();
  if (IS("/memory_and_exit")) memory_and_exit();
  if (IS("/copes")) copes();
  if (IS("/null")) null();
  int none = 0;
  if (IS("/overflow")) overflow(&none);
}
"#;

/// A second file, with its header in the same folder.
const ORDERS: [(&str, &str); 2] = [
    ("orders.h", "int second_order(void);\n"),
    (
        "orders.c",
        "#include \"orders.h\"\n\nint second_order(void) { return 2; }\n",
    ),
];

const MAIN: &str = "worker.c";

async fn producer() -> (taffrail_tests::folder::Folder, Scenario) {
    shop(&[(MAIN, PRODUCER), ORDERS[0], ORDERS[1]]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_bodies_and_bindings() {
    let (_folder, scenario) = producer().await;
    check_echo(&scenario, 10 << 20).await;
    for (path, expected) in [
        ("/kv", "grün color no more gone"),
        ("/service", "202 POST /there body"),
        ("/gone", "0 http://127.0.0.1:1/: connection refused"),
        ("/second", "2"),
    ] {
        assert_eq!(scenario.get("shop", path).await.text(), expected, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn levels_and_failures_are_those_of_c() {
    let (_folder, scenario) = producer().await;
    assert_eq!(scenario.get("shop", "/levels").await.text(), "logged");
    assert_eq!(
        logs(&last(&scenario, "shop")),
        [
            "debug a debug",
            "info an info",
            "warn a warning",
            "error an error",
            "log a log",
            "info caf? € ??? 🌊 ??",
            "log printed",
            "error to stderr",
            "log without an end",
        ]
    );
    let fetch = "\n    at fetch (worker.c:";
    for (path, name, message, place) in [
        (
            "/abort",
            "abort",
            "abort() was called",
            "at aborts (worker.c:53:28)",
        ),
        (
            "/assert",
            "AssertionError",
            "number > 7, in needs",
            "at needs (worker.c:55:",
        ),
        (
            "/exit",
            "exit",
            "exited with status 3",
            "at leaves (worker.c:57:28)",
        ),
        (
            "/fail",
            "OrderError",
            "no such order: 7",
            "at fails (worker.c:59:27)",
        ),
        (
            "/nokv",
            "KVError",
            "NONE: there is no such KV namespace",
            "at fail_kv (",
        ),
        ("/nourl", "URLError", "the URL is NULL", "at worker_fetch ("),
        (
            "/null",
            "RuntimeError",
            "null pointer dereference",
            "at null (worker.c:",
        ),
        ("/copes", "OrderError", "too large", "at copes (worker.c:"),
        (
            "/overflow",
            "RuntimeError",
            "stack overflow: memory access below address 0",
            "at overflow (worker.c:",
        ),
    ] {
        let item = failed(&scenario, path).await;
        assert_eq!(json!(item.outcome), json!("exception"), "{path}");
        let exception = exception(&item);
        assert_eq!((&*exception.name, &*exception.message), (name, message));
        let stack = exception.stack.as_deref().unwrap();
        assert!(stack.trim_start().starts_with(place), "{stack}");
        // Of a recursion, the innermost frames are recorded.
        assert!(path == "/overflow" || stack.contains(fetch), "{stack}");
    }
    for path in ["/memory", "/memory_and_exit"] {
        let item = failed(&scenario, path).await;
        assert_eq!(json!(item.outcome), json!("exceededMemory"), "{path}");
    }
}

const PRODUCER_IN_CPP: &str = r#"
#include "workers.h"

#include <iostream>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace orders {

struct Missing : std::runtime_error {
  using runtime_error::runtime_error;
};

void find() { throw Missing("no such order"); }

struct Plain {};

struct Order {
  Order() { prepare(); }
  void prepare() { price(); }
  virtual int price() = 0;
};

struct Book : Order {
  int price() override { return 7; }
};

}  // namespace orders

void fetch(worker_request *request) {
  std::string url = request->url;
  std::string path = url.substr(url.rfind('/'));
  std::vector<int> none;
  if (path == "/logs") {
    std::cout << "to cout " << 1 << std::endl;
    std::cerr << "to cerr" << std::endl;
    worker_respond(200, "%s", worker::text(request->body).c_str());
  }
  if (path == "/throw") orders::find();
  if (path == "/plain") throw orders::Plain();
  if (path == "/text") throw "in words";
  if (path == "/at") worker_respond(200, "%d", none.at(3));
  if (path == "/stoi") worker_respond(200, "%d", std::stoi("x"));
  if (path == "/optional") worker_respond(200, "%d", std::optional<int>().value());
  if (path == "/caught") {
    try {
      orders::find();
    } catch (const std::exception &) {
      worker_respond(200, "caught");
    }
  }
  if (path == "/virtual") orders::Book();
  if (path == "/memory") {
    std::vector<std::unique_ptr<char[]>> kept;
    for (;;) kept.push_back(std::make_unique<char[]>(1 << 20));
  }
}
"#;

#[tokio::test(flavor = "multi_thread")]
async fn exceptions_of_cpp_have_their_class_and_message() {
    let (_folder, scenario) = shop(&[("worker.cpp", PRODUCER_IN_CPP)]).await;
    assert_eq!(scenario.get("shop", "/logs").await.status, Some(200));
    assert_eq!(
        logs(&last(&scenario, "shop")),
        ["log to cout 1", "error to cerr"]
    );
    for (path, name, message, place) in [
        (
            "/throw",
            "orders::Missing",
            "no such order",
            "at orders::find() (worker.cpp:17:15)\n    at fetch (worker.cpp:42:",
        ),
        ("/plain", "orders::Plain", "", "at fetch (worker.cpp:43:"),
        (
            "/text",
            "char const*",
            "in words",
            "at fetch (worker.cpp:44:",
        ),
        (
            "/at",
            "std::out_of_range",
            "vector",
            "at fetch (worker.cpp:45:",
        ),
        (
            "/stoi",
            "std::invalid_argument",
            "stoi: no conversion",
            "at fetch (worker.cpp:46:",
        ),
        (
            "/optional",
            "std::bad_optional_access",
            "bad_optional_access",
            "at fetch (worker.cpp:47:",
        ),
        // No exception can be caught.
        (
            "/caught",
            "orders::Missing",
            "no such order",
            "at orders::find() (worker.cpp:17:15)",
        ),
        (
            "/virtual",
            "abort",
            "Pure virtual function called!",
            "(worker.cpp:",
        ),
    ] {
        let item = failed(&scenario, path).await;
        assert_eq!(json!(item.outcome), json!("exception"), "{path}");
        let exception = exception(&item);
        assert_eq!((&*exception.name, &*exception.message), (name, message));
        let stack = exception.stack.as_deref().unwrap();
        assert!(stack.contains(place), "{stack}");
        assert!(!stack.contains("__cxa_throw"), "{stack}");
    }
    let item = failed(&scenario, "/memory").await;
    assert_eq!(json!(item.outcome), json!("exceededMemory"));
}

const TAIL: &str = r#"
#include "workers.h"

#include <stdio.h>

static void show(const worker_item *item) {
  const taffrail_workers_types_trace_log_t *log = item->logs.ptr;
  printf("%s %s %s %s\n", worker_option(item->script_name), worker_outcome(item),
         worker_string(log->message.ptr[0]), worker_string(log->message.ptr[1]));
  const worker_fetch_event *event = &item->event.val.val.fetch;
  const char *redacted = worker_get_header(worker_redacted(event).headers, "Authorization");
  const char *unredacted = worker_get_header(worker_unredacted(event).headers, "Authorization");
  printf("%s %s\n", redacted, unredacted);
}

void fetch(worker_request *request) { worker_respond(200, "both"); }

void tail(const worker_items *events) {
  for (size_t i = 0; i < events->len; i++) show(&events->ptr[i]);
  puts(worker_props());
  worker_header headers[] = {{"content-type", "application/json"}, {0}};
  worker_options post = {.method = "POST", .headers = headers, .body = worker_events_json()};
  worker_response response = worker_fetch(worker_env("ENDPOINT"), post);
  worker_fail("PostError", "answered %d", response.status);
}
"#;

const TAIL_IN_CPP: &str = r#"
#include "workers.h"

#include <iostream>
#include <span>
#include <stdexcept>
#include <string>

void fetch(worker_request *request) { worker_respond(200, "both"); }

void tail(const worker_items *events) {
  for (const worker_item &item : std::span(events->ptr, events->len)) {
    const auto &log = item.logs.ptr[0];
    std::cout << worker::text(item.script_name.val) << ' ' << worker_outcome(&item);
    for (const auto &value : std::span(log.message.ptr, log.message.len))
      std::cout << ' ' << worker::text(value);
    const auto &event = item.event.val.val.fetch;
    std::cout << '\n' << worker_get_header(worker_redacted(&event).headers, "authorization");
    std::cout << ' ' << worker_get_header(worker_unredacted(&event).headers, "authorization") << '\n';
  }
  std::cout << worker_props() << '\n';
  worker_header headers[] = {{"content-type", "application/json"}, {}};
  auto response = worker_fetch(
      worker_env("ENDPOINT"), {.method = "POST", .headers = headers, .body = worker_events_json()});
  throw std::runtime_error("answered " + std::to_string(response.status));
}
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_tail_reads_items_and_posts_them() {
    for (main, source, failure) in [
        ("worker.c", TAIL, "PostError"),
        ("worker.cc", TAIL_IN_CPP, "std::runtime_error"),
    ] {
        let item = tail(main, source).await;
        assert_eq!(
            logs(&item),
            [
                "log api exception \"a\" 1",
                "log REDACTED Bearer 1234",
                "log {\"team\":7}",
            ],
            "{main}"
        );
        let exception = exception(&item);
        assert_eq!(
            (&*exception.name, &*exception.message),
            (failure, "answered 202")
        );
    }
}

const STREAM: &str = r#"
#include "workers.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
  int fails, events;
} live;

void fetch(worker_request *request) { worker_respond(200, "both"); }

static void show(const worker_event *event) {
  printf("%" PRIu64 " ", event->sequence);
  switch (event->event.tag) {
    case WORKER_EVENT_LOG: {
      const taffrail_workers_stream_events_log_t *log = &event->event.val.log;
      printf("log %s", log->level == WORKER_WARN ? "warn" : "another level");
      for (size_t i = 0; i < log->message.len; i++) printf(" %s", worker_string(log->message.ptr[i]));
      break;
    }
    case WORKER_EVENT_EXCEPTION:
      printf("exception %s %s", worker_string(event->event.val.exception.name),
             worker_string(event->event.val.exception.message));
      break;
    case WORKER_EVENT_SPAN_OPEN:
      printf("spanOpen %s", worker_string(event->event.val.span_open.name));
      break;
    case WORKER_EVENT_ATTRIBUTES: {
      const taffrail_workers_stream_events_attribute_t *attribute = event->event.val.attributes.ptr;
      printf("attributes %s=%s", worker_string(attribute->name), worker_string(attribute->value.val.text));
      break;
    }
    case WORKER_EVENT_SPAN_CLOSE:
      printf("spanClose %s", worker_outcome_name(event->event.val.span_close));
      break;
    case WORKER_EVENT_RETURN:
      printf("return %d", event->event.val.return_.val);
      break;
    case WORKER_EVENT_OUTCOME:
      printf("outcome %s", worker_outcome_name(event->event.val.outcome.outcome));
      break;
  }
  printf("\n");
}

static void each(void *data, const worker_event *event) {
  live *stream = data;
  if (stream->fails) worker_fail("LiveError", "as asked");
  stream->events++;
  show(event);
}

static void end(void *data) {
  printf("%d events\n", ((live *)data)->events);
  free(data);
}

worker_stream tail_stream(const worker_event *event) {
  const taffrail_workers_stream_events_onset_t *onset = &event->event.val.onset;
  worker_tail_request request = worker_redacted(&onset->info.val.fetch);
  if (strstr(request.url, "/onset")) worker_fail("LiveError", "as asked");
  printf("0 onset %s %s %s %s\n", worker_option(onset->script_name), request.method, request.url,
         worker_unredacted(&onset->info.val.fetch).url);
  live *stream = calloc(1, sizeof *stream);
  stream->fails = strstr(request.url, "/event") != NULL;
  return (worker_stream){each, end, stream};
}
"#;

const STREAM_IN_CPP: &str = r#"
#include "workers.h"

#include <iostream>
#include <span>
#include <stdexcept>
#include <string>

struct Live {
  bool fails;
  int events = 0;

  explicit Live(const worker_event &event) {
    const auto &onset = event.event.val.onset;
    auto request = worker_redacted(&onset.info.val.fetch);
    std::string url = request.url;
    if (url.ends_with("/onset")) throw std::runtime_error("as asked");
    std::cout << "0 onset " << worker::text(onset.script_name.val) << ' ' << request.method << ' ' << url
              << ' ' << worker_unredacted(&onset.info.val.fetch).url << std::endl;
    fails = url.ends_with("/event");
  }

  void event(const worker_event &event) {
    if (fails) throw std::runtime_error("as asked");
    events++;
    const auto &val = event.event.val;
    std::cout << event.sequence << ' ';
    switch (event.event.tag) {
      case WORKER_EVENT_LOG:
        std::cout << "log " << (val.log.level == WORKER_WARN ? "warn" : "another level");
        for (const auto &value : std::span(val.log.message.ptr, val.log.message.len))
          std::cout << ' ' << worker::text(value);
        break;
      case WORKER_EVENT_EXCEPTION:
        std::cout << "exception " << worker::text(val.exception.name) << ' ' << worker::text(val.exception.message);
        break;
      case WORKER_EVENT_SPAN_OPEN:
        std::cout << "spanOpen " << worker::text(val.span_open.name);
        break;
      case WORKER_EVENT_ATTRIBUTES:
        for (const auto &attribute : std::span(val.attributes.ptr, val.attributes.len))
          std::cout << "attributes " << worker::text(attribute.name) << '=' << worker::text(attribute.value.val.text);
        break;
      case WORKER_EVENT_SPAN_CLOSE:
        std::cout << "spanClose " << worker_outcome_name(val.span_close);
        break;
      case WORKER_EVENT_RETURN:
        std::cout << "return " << val.return_.val;
        break;
      case WORKER_EVENT_OUTCOME:
        std::cout << "outcome " << worker_outcome_name(val.outcome.outcome);
        break;
    }
    std::cout << std::endl;
  }

  ~Live() { std::cout << events << " events" << std::endl; }
};

void tail(const worker_items *events) {}

worker_stream tail_stream(const worker_event *onset) { return worker::stream<Live>(onset); }
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_streaming_tail_has_each_event_and_its_own_data_until_the_end() {
    let end = ["log 7 events"];
    check_stream("worker.c", STREAM, &end, ("LiveError", "as asked")).await;
    let failure = ("std::runtime_error", "as asked");
    check_stream("worker.cc", STREAM_IN_CPP, &end, failure).await;
}

const ONSET: &str = r#"
#include "workers.h"

worker_stream tail_stream(const worker_event *onset) {
  worker_log(WORKER_INFO, "%s", worker_option(onset->event.val.onset.script_name));
  return (worker_stream){0};
}
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_streaming_tail_may_have_the_onset_only() {
    let (_folder, scenario) = streamed("worker.c", ONSET).await;
    assert_eq!(scenario.get("api", "/").await.text(), "ok");
    scenario.idle().await;
    let item = last(&scenario, "live");
    assert_eq!(
        (json!(item.outcome), logs(&item)),
        (json!("ok"), vec!["info api".to_owned()])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_are_told_with_their_place() {
    for (main, source, expected) in [
        (
            "worker.c",
            "#include \"workers.h\"\n\nvoid fetch(worker_request *request) {\n  oops();\n}\n",
            "worker.c:4:3: error: call to undeclared function 'oops'",
        ),
        (
            "worker.cc",
            "#include \"workers.h\"\n\nvoid tail(const worker_items *events) {\n  oops();\n}\n",
            "worker.cc:4:3: error: use of undeclared identifier 'oops'",
        ),
        (
            "worker.c",
            "#include \"workers.h\"\n\nint missing(void);\n\nvoid fetch(worker_request *request) {\n  worker_respond(200 + missing(), \"\");\n}\n",
            "undefined symbol: missing",
        ),
        (
            "worker.c",
            "#include \"workers.h\"\n\nint main(void) {\n  return 0;\n}\n",
            "worker.c` has no handler: include \"workers.h\", and define `void fetch(worker_request *request)`, `void tail(const worker_items *events)` or `worker_stream tail_stream(const worker_event *onset)`",
        ),
    ] {
        check_refused(main, source, expected).await;
    }
}
