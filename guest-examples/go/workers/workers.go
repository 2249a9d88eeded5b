// Package workers has Workers and Tail Workers in Go.
//
//	func main() {
//		workers.Serve(http.HandlerFunc(hello))
//		workers.Tail(tail)
//	}
//
// The function main runs once in each instance, before its first event, and returns. It says with
// [Serve] and [Tail] what the Worker does.
package workers

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"runtime/debug"
	"sync"
	_ "unsafe" // for go:linkname

	"taffrail.dev/workers/internal/wit/exports/export_taffrail_workers_tail"
	"taffrail.dev/workers/internal/wit/exports/export_wasi_http_incoming_handler"
	_ "taffrail.dev/workers/internal/wit/exports/wit_exports"
	"taffrail.dev/workers/internal/wit/runtime"

	"taffrail.dev/workers/internal/wit/imports/taffrail_workers_context"
	"taffrail.dev/workers/internal/wit/imports/taffrail_workers_types"
	"taffrail.dev/workers/internal/wit/imports/wasi_clocks_monotonic_clock"
	"taffrail.dev/workers/internal/wit/imports/wasi_config_store"
	"taffrail.dev/workers/internal/wit/imports/wasi_http_types"
)

var (
	handler http.Handler
	tail    func(ctx context.Context, items []TraceItem) error
)

// Serve has the Worker answer requests with a handler. A Worker that never calls it is no
// producer.
//
//go:noinline
func Serve(h http.Handler) {
	handler = h
}

// Tail has the Worker receive trace items. An error that f returns is recorded as an exception. A
// Worker that never calls it is no Tail Worker.
//
//go:noinline
func Tail(f func(ctx context.Context, items []TraceItem) error) {
	tail = f
}

// Env returns the value of a var of the Worker, or "" if there is none.
func Env(name string) string {
	value := wasi_config_store.Get(name)
	if value.IsErr() {
		return ""
	}
	return value.Ok().SomeOr("")
}

// Props returns the props that the caller's binding gave, as JSON.
func Props() json.RawMessage {
	props := taffrail_workers_context.Props()
	return json.RawMessage(props)
}

// InvocationID returns the id under which the invocation is recorded.
func InvocationID() string {
	id := taffrail_workers_context.InvocationId()
	return id
}

// EventsJSON returns the items of a tail event as the text that JSON.stringify(events) gives in
// JavaScript.
func EventsJSON() string {
	text := taffrail_workers_context.EventsJson()
	return text
}

// The stack of a goroutine has at most this many bytes, and so overflows before the memory is
// used up.
const maxStack = 16 << 20

// An instance that has lost more bytes than this is not used again.
const maxLost = 16 << 20

func init() {
	debug.SetMaxStack(maxStack)
	export_wasi_http_incoming_handler.Handle = func(
		request *wasi_http_types.IncomingRequest, out *wasi_http_types.ResponseOutparam,
	) {
		run(func() error {
			if handler == nil {
				return fmt.Errorf("the Worker did not call workers.Serve")
			}
			return serve(handler, request, out)
		})
	}
	export_taffrail_workers_tail.Tail = func(items []taffrail_workers_types.TraceItem) {
		run(func() error {
			if tail == nil {
				return fmt.Errorf("the Worker did not call workers.Tail")
			}
			defer closeItems(items)
			events, err := traceItems(items)
			if err != nil {
				return err
			}
			return tail(context.Background(), events)
		})
	}
}

//go:linkname userMain main.main
func userMain()

var start = sync.OnceFunc(userMain)

// run handles an event, and records how it fails.
func run(event func() error) {
	defer func() {
		if reason := recover(); reason != nil {
			panicked(reason, debug.Stack())
		}
	}()
	start()
	if err := event(); err != nil {
		failed(err)
	}
	if runtime.End() > maxLost {
		// The host lets go of an instance that holds something.
		wasi_clocks_monotonic_clock.SubscribeInstant(0)
	}
}
