//! Workers in Go.

use serde_json::json;
use std::sync::Arc;
use taffrail_runtime::Event;
use taffrail_runtime::trace::TraceItem;
use taffrail_tests::folder::Folder;
use taffrail_tests::scenario::{Scenario, logs};
use taffrail_tests::sources::{
    check_echo, check_refused, exception, failed, last, shop, tail, write,
};

const MAIN: &str = "main.go";

const PRODUCER: &str = r#"
package main

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"time"

	"taffrail.dev/workers"
)

func main() {
	http.HandleFunc("/echo", echo)
	http.HandleFunc("/levels", levels)
	http.HandleFunc("/fails", func(http.ResponseWriter, *http.Request) { fail() })
	http.HandleFunc("/nil", func(http.ResponseWriter, *http.Request) { fmt.Println(*missing) })
	http.HandleFunc("/exit", func(http.ResponseWriter, *http.Request) { os.Exit(3) })
	http.HandleFunc("/elsewhere", elsewhere)
	http.HandleFunc("/deadlock", func(http.ResponseWriter, *http.Request) { <-make(chan bool) })
	http.HandleFunc("/overflow", func(http.ResponseWriter, *http.Request) { overflow(0) })
	http.HandleFunc("/memory", memory)
	http.HandleFunc("/waits", waits)
	http.HandleFunc("/kv", kv)
	http.HandleFunc("/service", service)
	workers.Serve(http.DefaultServeMux)
}

var missing *string

func echo(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Method", r.Method)
	w.Header().Set("X-In", r.Header.Get("X-In"))
	w.WriteHeader(201)
	io.Copy(w, r.Body)
}

func levels(w http.ResponseWriter, r *http.Request) {
	log := slog.With("shop", 1)
	slog.Debug("a debug")
	log.Info("an info", "paid", true)
	slog.Warn("a warning", slog.Group("order", "id", 7))
	slog.Error("an error")
	fmt.Println("printed")
	fmt.Fprint(w, "logged")
}

func fail() {
	panic("no such order")
}

func elsewhere(http.ResponseWriter, *http.Request) {
	done := make(chan bool)
	go func() {
		defer close(done)
		fail()
	}()
	<-done
}

func overflow(depth int) int {
	return overflow(depth+1) + 1
}

var kept [][]byte

func memory(w http.ResponseWriter, r *http.Request) {
	for {
		kept = append(kept, make([]byte, 1<<20))
	}
}

func waits(w http.ResponseWriter, r *http.Request) {
	began, done := time.Now(), make(chan bool)
	go func() {
		time.Sleep(20 * time.Millisecond)
		done <- true
	}()
	<-done
	fmt.Fprint(w, time.Since(began) >= 20*time.Millisecond)
}

func kv(w http.ResponseWriter, r *http.Request) {
	kv := workers.KV("KV")
	kv.Put("color", []byte("grün"))
	color, _ := kv.Get("color")
	keys, _ := kv.List()
	kv.Delete("color")
	gone, err := kv.Get("color")
	_, wrong := workers.KV("NONE").Get("color")
	fmt.Fprint(w, string(color), keys, gone == nil, err, " ", wrong)
}

func service(w http.ResponseWriter, r *http.Request) {
	client := http.Client{Transport: workers.Service("OTHER")}
	response, err := client.Post("http://other/there", "text/plain", strings.NewReader("body"))
	if err != nil {
		panic(err)
	}
	text, _ := io.ReadAll(response.Body)
	fmt.Fprint(w, response.StatusCode, " ", string(text))
}
"#;

#[tokio::test(flavor = "multi_thread")]
async fn requests_bodies_bindings_and_timers() {
    let (_folder, scenario) = shop(&[(MAIN, PRODUCER)]).await;
    check_echo(&scenario, 10 << 20).await;
    for (path, expected) in [
        ("/waits", "true"),
        (
            "/kv",
            "grün[color] true <nil> NONE: there is no such KV namespace",
        ),
        ("/service", "202 POST /there body"),
    ] {
        assert_eq!(scenario.get("shop", path).await.text(), expected, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn levels_and_failures_are_those_of_go() {
    let (_folder, scenario) = shop(&[(MAIN, PRODUCER)]).await;
    assert_eq!(scenario.get("shop", "/levels").await.text(), "logged");
    assert_eq!(
        logs(&last(&scenario, "shop")),
        [
            "debug a debug",
            "info an info {\"shop\":1,\"paid\":true}",
            "warn a warning {\"order\":{\"id\":7}}",
            "error an error",
            "log printed",
        ]
    );
    for (path, message, frame) in [
        ("/fails", "no such order", "main.fail("),
        (
            "/nil",
            "runtime error: invalid memory address or nil pointer dereference",
            "main.main.func2(",
        ),
        ("/elsewhere", "no such order", "main.fail("),
    ] {
        let item = failed(&scenario, path).await;
        assert_eq!(json!(item.outcome), json!("exception"), "{path}");
        let exception = exception(&item);
        assert_eq!((&*exception.name, &*exception.message), ("panic", message));
        let stack = exception.stack.as_deref().unwrap();
        let mut lines = stack.lines();
        let (goroutine, first, place) = (lines.next(), lines.next(), lines.next());
        assert!(goroutine.unwrap().starts_with("goroutine "), "{stack}");
        assert!(first.unwrap().starts_with(frame), "{stack}");
        assert!(place.unwrap().contains("/main.go:"), "{stack}");
    }
    scenario.get("shop", "/deadlock").await;
    let exception = &last(&scenario, "shop").exceptions[0];
    assert_eq!(
        (&*exception.name, &*exception.message),
        ("fatal error", "all goroutines are asleep - deadlock!")
    );
    let stack = exception.stack.as_deref().unwrap();
    assert!(
        stack.starts_with("goroutine 1 [chan receive]:\nmain."),
        "{stack}"
    );
    scenario.get("shop", "/overflow").await;
    let exception = &last(&scenario, "shop").exceptions[0];
    assert_eq!(&*exception.message, "call stack exhausted");
    let stack = exception.stack.as_deref().unwrap();
    assert!(stack.starts_with("    at main.overflow (wasm"), "{stack}");
    scenario.get("shop", "/exit").await;
    let item = last(&scenario, "shop");
    // WASI 0.2 has one status for all failures.
    assert_eq!(&*item.exceptions[0].message, "exited with status 1");
    scenario.get("shop", "/memory").await;
    let item = last(&scenario, "shop");
    assert_eq!(json!(item.outcome), json!("exceededMemory"));
}

const TAIL: &str = r#"
package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"taffrail.dev/workers"
)

func main() {
	workers.Serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "both") }))
	workers.Tail(tail)
}

func tail(ctx context.Context, items []workers.TraceItem) error {
	for _, item := range items {
		request := item.Event.Request
		fmt.Println(*item.ScriptName, item.Outcome, string(item.Logs[0].Message[0]), string(item.Logs[0].Message[1]))
		fmt.Println(item.Event.Kind, request.Headers["authorization"], request.Unredacted().Headers["authorization"])
	}
	fmt.Println(string(workers.Props()))
	response, err := http.Post(workers.Env("ENDPOINT"), "application/json", strings.NewReader(workers.EventsJSON()))
	if err != nil {
		return err
	}
	return fmt.Errorf("answered %d", response.StatusCode)
}
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_tail_reads_items_and_posts_them() {
    let item = tail(MAIN, TAIL).await;
    assert_eq!(
        logs(&item),
        [
            "log api exception \"a\" 1",
            "log fetch REDACTED Bearer 1234",
            "log {\"team\":7}",
        ]
    );
    let failure = &item.exceptions[0];
    assert_eq!(
        (&*failure.name, &*failure.message),
        ("error", "answered 202")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_are_told_with_their_place() {
    for (source, expected) in [
        (
            "package main\n\nfunc main() {\n\toops()\n}\n",
            "./main.go:4:2: undefined: oops",
        ),
        (
            "package main\n\nimport _ \"taffrail.dev/workers\"\n\nfunc main() {}\n",
            "has no handler: call `workers.Serve(handler)` or `workers.Tail(function)` of `taffrail.dev/workers` in `main`",
        ),
    ] {
        check_refused(MAIN, source, expected).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_may_lie_above_the_folder_of_main() {
    let folder = Folder::new();
    let main = "package main\n\nimport (\n\t\"fmt\"\n\t\"net/http\"\n\n\t\"shop.test/shop/prices\"\n\t\"taffrail.dev/workers\"\n)\n\nfunc main() {\n\tworkers.Serve(http.HandlerFunc(serve))\n}\n\nfunc serve(w http.ResponseWriter, _ *http.Request) {\n\tfmt.Fprint(w, prices.Tea)\n}\n";
    folder
        .write("shop/go.mod", "module shop.test/shop\n\ngo 1.27\n")
        .write("shop/prices/prices.go", "package prices\n\nconst Tea = 3\n")
        .write("shop/cmd/api/main.go", main)
        .write(
            "shop/wrangler.toml",
            "name = \"shop\"\nmain = \"cmd/api/main.go\"\n",
        );
    let scenario = Scenario::of(&folder, &["shop"]).await;
    assert_eq!(scenario.get("shop", "/").await.text(), "3");
    folder.write("shop/prices/prices.go", "package prices\n\nconst Tea = 4\n");
    let scenario = Scenario::of(&folder, &["shop"]).await;
    assert_eq!(scenario.get("shop", "/").await.text(), "4");
}

const COUNTING_TAIL: &str = r#"
package main

import (
	"context"
	"fmt"
	"net/http"

	"taffrail.dev/workers"
)

var calls int

func main() {
	workers.Serve(http.NotFoundHandler())
	workers.Tail(func(_ context.Context, items []workers.TraceItem) error {
		calls++
		fmt.Println(calls, len(items[0].Logs[0].Message[0]))
		return nil
	})
}
"#;

/// The host writes what is larger than 64 KiB to memory that Go does not free.
#[tokio::test(flavor = "multi_thread")]
async fn an_instance_is_used_again_until_it_has_lost_too_much_memory() {
    let folder = Folder::new();
    write(&folder, "tail", MAIN, COUNTING_TAIL, "");
    let scenario = Scenario::of(&folder, &["tail"]).await;
    let receive = async |message: String| {
        let item = json!({
            "logs": [{ "timestamp": 0, "level": "log", "message": [message] }],
            "exceptions": [], "diagnosticsChannelEvents": [], "scriptName": "api",
            "executionModel": "stateless", "outcome": "ok", "truncated": false, "cpuTime": 0,
            "wallTime": 0, "eventTimestamp": null, "event": { "request": {
                "url": "http://a.test/", "method": "GET", "headers": {}
            } },
            "invocationId": "44444444444444444444444444444444",
            "requestId": "44444444444444444444444444444444",
        });
        let item: TraceItem = serde_json::from_value(item).unwrap();
        scenario
            .dispatch("tail", Event::Tail(vec![Arc::new(item)]))
            .await;
        let tail = last(&scenario, "tail");
        let [line] = &logs(&tail)[..] else {
            panic!("{tail:#?}");
        };
        let (call, _) = line.strip_prefix("log ").unwrap().split_once(' ').unwrap();
        (call.parse::<u32>().unwrap(), tail.peak_memory)
    };
    for call in 1..=10 {
        assert_eq!(receive("small".to_owned()).await.0, call);
    }
    let mut peaks = Vec::new();
    let mut call = 10;
    loop {
        let (next, peak) = receive("x".repeat(200_000)).await;
        peaks.push(peak);
        if next == 1 {
            break;
        }
        call += 1;
        assert_eq!(next, call);
    }
    assert!(call > 30, "{peaks:?}");
    assert!(peaks.iter().all(|peak| *peak < 40 << 20), "{peaks:?}");
}
