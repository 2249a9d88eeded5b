package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"taffrail.dev/workers"
)

func main() {
	workers.Tail(tail)
}

// number is that of the event in this instance.
var number int

func tail(_ context.Context, items []workers.TraceItem) error {
	number++
	switch name := items[0].ScriptName; {
	case name == nil:
		return fmt.Errorf("the first item has no script name")
	case *name == "fields":
		for _, item := range items {
			show(item)
		}
	case *name == "unredacted":
		for _, item := range items {
			request := item.Event.Request
			raw := request.Unredacted()
			fmt.Println(request.URL, request.Headers["authorization"])
			fmt.Println(raw.URL, raw.Headers["authorization"])
		}
	case *name == "post":
		body := strings.NewReader(workers.EventsJSON())
		response, err := http.Post(workers.Env("ENDPOINT"), "application/json", body)
		if err != nil {
			return err
		}
		fmt.Println(response.StatusCode)
	case *name == "kv":
		return keep(items)
	case *name == "fail":
		fail()
	case *name == "levels":
		slog.Debug("a debug")
		slog.Info("an info")
		fmt.Println("a log")
		slog.Warn("a warning")
		slog.Error("an error")
	case *name == "vars":
		fmt.Println(workers.Env("GREETING"))
		fmt.Println(string(workers.Props()))
	case *name == "count":
		count(items)
	case *name == "again":
		fmt.Println(number)
	default:
		for _, item := range items {
			fmt.Println(*item.ScriptName, slices.Index(outcomes, item.Outcome), len(item.Logs))
		}
	}
	return nil
}

func keep(items []workers.TraceItem) error {
	kv := workers.KV("KV")
	for _, item := range items {
		if err := kv.Put(item.InvocationID, []byte(*item.ScriptName)); err != nil {
			return err
		}
		name, err := kv.Get(item.InvocationID)
		if err != nil {
			return err
		}
		fmt.Println(string(name))
	}
	return nil
}

func count(items []workers.TraceItem) {
	logs, size := 0, 0
	for _, item := range items {
		logs += len(item.Logs)
		for _, log := range item.Logs {
			for _, argument := range log.Message {
				size += len(argument)
			}
		}
	}
	fmt.Println(len(items), logs, size)
}

func fail() {
	panic("the tail failed")
}
