package main

import (
	"context"
	"fmt"

	"taffrail.dev/workers"
)

func main() {
	workers.Tail(tail)
}

func tail(ctx context.Context, items []workers.TraceItem) error {
	for _, item := range items {
		fmt.Println(*item.ScriptName, "ended", item.Outcome, "with", len(item.Logs), "logs")
	}
	return nil
}
