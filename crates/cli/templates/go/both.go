package main

import (
	"context"
	"fmt"
	"net/http"

	"taffrail.dev/workers"
)

func main() {
	workers.Serve(http.HandlerFunc(serve))
	workers.Tail(tail)
}

func serve(w http.ResponseWriter, r *http.Request) {
	fmt.Println("asked for", r.URL.Path)
	fmt.Fprintf(w, "Hello from %s\n", r.URL.Path)
}

func tail(ctx context.Context, items []workers.TraceItem) error {
	for _, item := range items {
		fmt.Println(*item.ScriptName, "ended", item.Outcome, "with", len(item.Logs), "logs")
	}
	return nil
}
