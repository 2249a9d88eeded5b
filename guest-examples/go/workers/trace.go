package workers

import (
	"encoding/json"
	"errors"
	"time"

	"taffrail.dev/workers/internal/wit/imports/taffrail_workers_types"
)

// TraceItem is the record of one invocation of a Worker. The names are those of JavaScript, and
// wit/types.wit documents every field. What may be absent is a pointer.
type TraceItem struct {
	Event                    *Event                    `json:"event"`
	EventTimestamp           *int64                    `json:"eventTimestamp"`
	Logs                     []TraceLog                `json:"logs"`
	Exceptions               []TraceException          `json:"exceptions"`
	DiagnosticsChannelEvents []DiagnosticsChannelEvent `json:"diagnosticsChannelEvents"`
	ScriptName               *string                   `json:"scriptName"`
	Entrypoint               *string                   `json:"entrypoint,omitempty"`
	ScriptVersion            *ScriptVersion            `json:"scriptVersion,omitempty"`
	ScriptTags               []string                  `json:"scriptTags,omitempty"`
	DispatchNamespace        *string                   `json:"dispatchNamespace,omitempty"`
	TailAttributes           map[string]any            `json:"tailAttributes,omitempty"`
	Preview                  *Preview                  `json:"preview,omitempty"`
	DurableObjectID          *string                   `json:"durableObjectId,omitempty"`
	ExecutionModel           string                    `json:"executionModel"`
	Outcome                  string                    `json:"outcome"`
	Truncated                bool                      `json:"truncated"`
	CPUTime                  int64                     `json:"cpuTime"`
	WallTime                 int64                     `json:"wallTime"`
	InvocationID             string                    `json:"invocationId"`
	RequestID                string                    `json:"requestId"`
	ParentInvocationID       *string                   `json:"parentInvocationId,omitempty"`
	PeakMemory               int64                     `json:"peakMemory,omitempty"`
	ExceededLimit            *ExceededLimit            `json:"exceededLimit,omitempty"`
	Dropped                  *Dropped                  `json:"dropped,omitempty"`
	LostItems                int64                     `json:"lostItems,omitempty"`
}

// The kinds of events.
const (
	Fetch                 = "fetch"
	RPC                   = "rpc"
	Scheduled             = "scheduled"
	Alarm                 = "alarm"
	Queue                 = "queue"
	Email                 = "email"
	TailEvent             = "tail"
	HibernatableWebSocket = "hibernatableWebSocket"
	Connect               = "connect"
	Custom                = "custom"
)

var kinds = []string{
	Fetch, RPC, Scheduled, Alarm, Queue, Email, TailEvent, HibernatableWebSocket, Connect, Custom,
}

// Event is what triggered an invocation. Its kind says which fields it has.
type Event struct {
	Kind string `json:"-"`

	Request           *Request        `json:"request,omitempty"`
	Response          *Response       `json:"response,omitempty"`
	RPCMethod         string          `json:"rpcMethod,omitempty"`
	Cron              string          `json:"cron,omitempty"`
	ScheduledTime     EpochMS         `json:"scheduledTime,omitempty"`
	Queue             string          `json:"queue,omitempty"`
	BatchSize         int64           `json:"batchSize,omitempty"`
	MailFrom          string          `json:"mailFrom,omitempty"`
	RcptTo            string          `json:"rcptTo,omitempty"`
	RawSize           int64           `json:"rawSize,omitempty"`
	ConsumedEvents    []ConsumedEvent `json:"consumedEvents,omitempty"`
	GetWebSocketEvent *WebSocketEvent `json:"getWebSocketEvent,omitempty"`
}

// Request is the request of a fetch event, redacted.
type Request struct {
	URL     string            `json:"url"`
	Method  string            `json:"method"`
	Headers map[string]string `json:"headers"`
	CF      json.RawMessage   `json:"cf,omitempty"`

	raw *taffrail_workers_types.RawRequest
}

// Unredacted returns the request as it was received. It cannot be called after the tail event.
func (r *Request) Unredacted() *Request {
	whole := r.raw.GetUnredacted()
	request := &Request{
		URL: whole.Url, Method: whole.Method, Headers: make(map[string]string), CF: r.CF, raw: r.raw,
	}
	for _, header := range whole.Headers {
		request.Headers[header.F0] = header.F1
	}
	return request
}

// EpochMS is a time in milliseconds since 1970.
type EpochMS int64

// UnmarshalJSON reads a number, or a date as an alarm has it.
func (t *EpochMS) UnmarshalJSON(text []byte) error {
	var date time.Time
	if err := json.Unmarshal(text, &date); err == nil {
		*t = EpochMS(date.UnixMilli())
		return nil
	}
	return json.Unmarshal(text, (*int64)(t))
}

// Response is the response to a fetch event.
type Response struct {
	Status int `json:"status"`
}

// ConsumedEvent is a Worker whose item a Tail Worker received.
type ConsumedEvent struct {
	ScriptName *string `json:"scriptName"`
}

// WebSocketEvent happened on a hibernatable WebSocket: "message", "close" or "error".
type WebSocketEvent struct {
	Type     string `json:"webSocketEventType"`
	Code     int    `json:"code,omitempty"`
	WasClean bool   `json:"wasClean,omitempty"`
}

// TraceLog is a log entry, whose level is "debug", "info", "log", "warn" or "error".
type TraceLog struct {
	Timestamp int64             `json:"timestamp"`
	Level     string            `json:"level"`
	Message   []json.RawMessage `json:"message"`
	ErrorInfo []*ErrorInfo      `json:"errorInfo,omitempty"`
}

// ErrorInfo is an error that was logged.
type ErrorInfo struct {
	Name    string  `json:"name"`
	Message string  `json:"message"`
	Stack   *string `json:"stack,omitempty"`
}

// TraceException is a failure that nothing caught.
type TraceException struct {
	Timestamp int64   `json:"timestamp"`
	Name      string  `json:"name"`
	Message   string  `json:"message"`
	Stack     *string `json:"stack,omitempty"`
}

// DiagnosticsChannelEvent is a message on a diagnostics channel.
type DiagnosticsChannelEvent struct {
	Timestamp int64           `json:"timestamp"`
	Channel   string          `json:"channel"`
	Message   json.RawMessage `json:"message,omitempty"`
}

// ScriptVersion is the deployed version of a Worker.
type ScriptVersion struct {
	ID      *string `json:"id,omitempty"`
	Tag     *string `json:"tag,omitempty"`
	Message *string `json:"message,omitempty"`
}

// Preview is the preview deployment of a Worker.
type Preview struct {
	ID   string `json:"id"`
	Slug string `json:"slug"`
	Name string `json:"name"`
}

// ExceededLimit is a limit that an invocation met.
type ExceededLimit struct {
	Key   string `json:"key"`
	Value int64  `json:"value"`
}

// Dropped has the numbers of entries that an item lost.
type Dropped struct {
	Logs                     int64 `json:"logs"`
	Exceptions               int64 `json:"exceptions"`
	DiagnosticsChannelEvents int64 `json:"diagnosticsChannelEvents"`
}

// traceItems returns the items of a tail event.
func traceItems(items []taffrail_workers_types.TraceItem) ([]TraceItem, error) {
	var events []TraceItem
	if err := json.Unmarshal([]byte(EventsJSON()), &events); err != nil {
		return nil, err
	}
	if len(events) != len(items) {
		return nil, errors.New("the items and their JSON differ")
	}
	for index, item := range items {
		if !item.Event.IsSome() || events[index].Event == nil {
			continue
		}
		event := item.Event.Some()
		events[index].Event.Kind = kinds[event.Tag()]
		if event.Tag() == taffrail_workers_types.EventInfo_Fetch {
			events[index].Event.Request.raw = event.Fetch().Raw
		}
	}
	return events, nil
}

// closeItems closes what the items of a tail event hold of the host. An instance is used again only
// if nothing is left.
func closeItems(items []taffrail_workers_types.TraceItem) {
	for _, item := range items {
		if !item.Event.IsSome() {
			continue
		}
		if event := item.Event.Some(); event.Tag() == taffrail_workers_types.EventInfo_Fetch {
			event.Fetch().Raw.Drop()
		}
	}
}
