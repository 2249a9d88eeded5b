package workers

import (
	"fmt"
	"strings"

	witTypes "taffrail.dev/workers/internal/wit/types"

	"taffrail.dev/workers/internal/wit/imports/taffrail_workers_exceptions"
)

// failed records an error that a handler returned.
func failed(err error) {
	taffrail_workers_exceptions.Uncaught(taffrail_workers_exceptions.Failure{
		Name:    "error",
		Message: err.Error(),
		Stack:   witTypes.None[string](),
	})
}

// panicked records a panic with the stack of its goroutine.
func panicked(reason any, stack []byte) {
	taffrail_workers_exceptions.Uncaught(taffrail_workers_exceptions.Failure{
		Name:    "panic",
		Message: fmt.Sprint(reason),
		Stack:   witTypes.Some(ofUser(string(stack))),
	})
}

// ofUser returns a goroutine trace without what lies above the panic and below the handler.
func ofUser(trace string) string {
	head, frames, _ := strings.Cut(trace, "\n")
	if _, below, found := strings.Cut(frames, "\npanic("); found {
		_, below, _ = strings.Cut(below, "\n")  // its arguments
		_, frames, _ = strings.Cut(below, "\n") // its place
	}
	for _, below := range []string{"serve(", "init."} {
		frames, _, _ = strings.Cut(frames, "\ntaffrail.dev/workers."+below)
	}
	return head + "\n" + strings.TrimRight(frames, "\n")
}
