package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"taffrail.dev/workers"
)

// The cases of each type, in the order of wit/types.wit.
var (
	events = []string{
		workers.Fetch, workers.RPC, workers.Scheduled, workers.Alarm, workers.Queue, workers.Email,
		workers.TailEvent, workers.HibernatableWebSocket, workers.Connect, workers.Custom,
	}
	webSocketEvents = []string{"message", "close", "error"}
	levels          = []string{"debug", "info", "log", "warn", "error"}
	models          = []string{"stateless", "durableObject", "workflow"}
	outcomes        = []string{
		"unknown", "ok", "exception", "exceededCpu", "killSwitch", "daemonDown", "scriptNotFound",
		"canceled", "exceededMemory", "loadShed", "responseStreamDisconnected", "internalError",
		"exceededWallTime", "aborted",
	}
)

// show prints every field of an item.
func show(item workers.TraceItem) {
	showEvent(item.Event)
	line("timestamp", item.EventTimestamp)
	for _, log := range item.Logs {
		line("log", log.Timestamp, slices.Index(levels, log.Level))
		for _, argument := range log.Message {
			line("message", argument)
		}
		for _, err := range log.ErrorInfo {
			if err == nil {
				line("error", nil)
			} else {
				line("error", err.Name, err.Message, err.Stack)
			}
		}
	}
	for _, exception := range item.Exceptions {
		line("exception", exception.Timestamp, exception.Name, exception.Message, exception.Stack)
	}
	for _, event := range item.DiagnosticsChannelEvents {
		line("channel", event.Timestamp, event.Channel, event.Message)
	}
	line("script", item.ScriptName)
	line("entrypoint", item.Entrypoint)
	if version := item.ScriptVersion; version == nil {
		line("version", nil)
	} else {
		line("version", version.ID, version.Tag, version.Message)
	}
	for _, tag := range item.ScriptTags {
		line("tag", tag)
	}
	line("namespace", item.DispatchNamespace)
	for _, name := range slices.Sorted(maps.Keys(item.TailAttributes)) {
		line("attribute", name, kind(item.TailAttributes[name]), item.TailAttributes[name])
	}
	if preview := item.Preview; preview == nil {
		line("preview", nil)
	} else {
		line("preview", preview.ID, preview.Slug, preview.Name)
	}
	line("object", item.DurableObjectID)
	line("model", slices.Index(models, item.ExecutionModel))
	line("outcome", slices.Index(outcomes, item.Outcome))
	line("truncated", item.Truncated)
	line("cpu", item.CPUTime)
	line("wall", item.WallTime)
	line("invocation", item.InvocationID)
	line("request", item.RequestID)
	line("parent", item.ParentInvocationID)
	line("memory", item.PeakMemory)
	if limit := item.ExceededLimit; limit == nil {
		line("limit", nil)
	} else {
		line("limit", limit.Key, limit.Value)
	}
	if dropped := item.Dropped; dropped == nil {
		line("dropped", nil)
	} else {
		line("dropped", dropped.Logs, dropped.Exceptions, dropped.DiagnosticsChannelEvents)
	}
	line("lost", item.LostItems)
}

func showEvent(event *workers.Event) {
	if event == nil {
		line("event", nil)
		return
	}
	number := slices.Index(events, event.Kind)
	switch event.Kind {
	case workers.Fetch:
		var status any
		if event.Response != nil {
			status = event.Response.Status
		}
		request := event.Request
		line("event", number, request.URL, request.Method, request.CF, status)
		for _, name := range slices.Sorted(maps.Keys(request.Headers)) {
			line("header", name, request.Headers[name])
		}
	case workers.RPC:
		line("event", number, event.RPCMethod)
	case workers.Scheduled:
		line("event", number, event.Cron, event.ScheduledTime)
	case workers.Alarm:
		line("event", number, event.ScheduledTime)
	case workers.Queue:
		line("event", number, event.Queue, event.BatchSize)
	case workers.Email:
		line("event", number, event.MailFrom, event.RcptTo, event.RawSize)
	case workers.TailEvent:
		line("event", number)
		for _, consumed := range event.ConsumedEvents {
			line("consumed", consumed.ScriptName)
		}
	case workers.HibernatableWebSocket:
		socket := event.GetWebSocketEvent
		kind := slices.Index(webSocketEvents, socket.Type)
		if socket.Type == "close" {
			line("event", number, kind, socket.Code, socket.WasClean)
		} else {
			line("event", number, kind)
		}
	default:
		line("event", number)
	}
}

// kind returns the case of the value of a tail attribute.
func kind(value any) int {
	switch value.(type) {
	case string:
		return 0
	case float64:
		return 1
	default:
		return 2
	}
}

func line(name string, values ...any) {
	fmt.Print(name)
	for _, value := range values {
		fmt.Print(" ", text(value))
	}
	fmt.Println()
}

func text(value any) string {
	switch value := value.(type) {
	case nil:
		return "-"
	case string:
		return `"` + value + `"`
	case json.RawMessage:
		if value != nil {
			return text(string(value))
		}
	case *string:
		if value != nil {
			return text(*value)
		}
	case *int64:
		if value != nil {
			return fmt.Sprint(*value)
		}
	default:
		return fmt.Sprint(value)
	}
	return "-"
}
