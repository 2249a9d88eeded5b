package workers

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"sync"
	"time"

	"taffrail.dev/workers/internal/wit/imports/taffrail_workers_console"
	"taffrail.dev/workers/internal/wit/imports/taffrail_workers_types"
)

// logHandler records the lines of slog with their levels, and with their attributes as an object.
type logHandler struct {
	attributes slog.Handler
	buffer     *bytes.Buffer
	lock       *sync.Mutex
}

func init() {
	buffer := new(bytes.Buffer)
	attributes := slog.NewJSONHandler(buffer, nil)
	slog.SetDefault(slog.New(logHandler{attributes, buffer, new(sync.Mutex)}))
}

func (h logHandler) Enabled(context.Context, slog.Level) bool {
	return true
}

func (h logHandler) WithAttrs(attributes []slog.Attr) slog.Handler {
	h.attributes = h.attributes.WithAttrs(attributes)
	return h
}

func (h logHandler) WithGroup(name string) slog.Handler {
	h.attributes = h.attributes.WithGroup(name)
	return h
}

// The attributes of a record without a time and a message are written behind this.
const beforeAttributes = `{"level":"INFO","msg":""`

func (h logHandler) Handle(ctx context.Context, record slog.Record) error {
	attributes := slog.NewRecord(time.Time{}, slog.LevelInfo, "", 0)
	record.Attrs(func(attribute slog.Attr) bool {
		attributes.AddAttrs(attribute)
		return true
	})
	text, err := json.Marshal(record.Message)
	if err != nil {
		return err
	}
	message := []string{string(text)}

	h.lock.Lock()
	defer h.lock.Unlock()
	h.buffer.Reset()
	if err := h.attributes.Handle(ctx, attributes); err != nil {
		return err
	}
	written := bytes.TrimSpace(h.buffer.Bytes())[len(beforeAttributes):]
	if len(written) > 1 {
		message = append(message, "{"+string(written[1:]))
	}
	taffrail_workers_console.Log(level(record.Level), message)
	return nil
}

func level(level slog.Level) taffrail_workers_types.LogLevel {
	switch {
	case level >= slog.LevelError:
		return taffrail_workers_types.LogLevel_Error
	case level >= slog.LevelWarn:
		return taffrail_workers_types.LogLevel_Warn
	case level >= slog.LevelInfo:
		return taffrail_workers_types.LogLevel_Info
	default:
		return taffrail_workers_types.LogLevel_Debug
	}
}
