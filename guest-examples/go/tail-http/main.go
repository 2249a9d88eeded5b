package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"taffrail.dev/workers"
)

func main() {
	workers.Tail(tail)
}

func tail(ctx context.Context, items []workers.TraceItem) error {
	endpoint, body := workers.Env("ENDPOINT"), strings.NewReader(workers.EventsJSON())
	response, err := http.Post(endpoint, "application/json", body)
	if err == nil && response.StatusCode >= 300 {
		fmt.Println(endpoint, "answered", response.StatusCode)
	}
	return err
}
