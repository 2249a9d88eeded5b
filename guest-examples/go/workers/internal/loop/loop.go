// Package loop lets goroutines wait for the host while others run.
package loop

import (
	"context"
	"math"
	"runtime"
	"runtime/metrics"
	"slices"
	_ "unsafe" // for go:linkname

	"taffrail.dev/workers/internal/wit/imports/wasi_clocks_monotonic_clock"
	"taffrail.dev/workers/internal/wit/imports/wasi_io_poll"
)

type waiter struct {
	pollable *wasi_io_poll.Pollable
	ready    chan struct{}
}

var (
	waiting []*waiter
	polling bool
)

// Wait blocks the goroutine until a pollable is ready, and drops it.
func Wait(ctx context.Context, pollable *wasi_io_poll.Pollable) error {
	defer pollable.Drop()
	if pollable.Ready() {
		return nil
	}
	own := &waiter{pollable, make(chan struct{})}
	waiting = append(waiting, own)
	if !polling {
		polling = true
		go poll()
	}
	select {
	case <-own.ready:
		return nil
	case <-ctx.Done():
		waiting = slices.DeleteFunc(waiting, func(other *waiter) bool { return other == own })
		return ctx.Err()
	}
}

// poll wakes those that wait, once no other goroutine can run.
func poll() {
	defer func() { polling = false }()
	for {
		runtime.Gosched()
		if isRunnable() {
			continue
		}
		if len(waiting) == 0 {
			return
		}
		var pollables []*wasi_io_poll.Pollable
		for _, waiter := range waiting {
			pollables = append(pollables, waiter.pollable)
		}
		if when := nextTimer(); when != math.MaxInt64 {
			timer := wasi_clocks_monotonic_clock.SubscribeInstant(uint64(when))
			wake(wasi_io_poll.Poll(append(pollables, timer)))
			timer.Drop()
		} else {
			wake(wasi_io_poll.Poll(pollables))
		}
	}
}

func wake(ready []uint32) {
	var others []*waiter
	for index, waiter := range waiting {
		if slices.Contains(ready, uint32(index)) {
			close(waiter.ready)
		} else {
			others = append(others, waiter)
		}
	}
	waiting = others
}

var runnable = []metrics.Sample{{Name: "/sched/goroutines/runnable:goroutines"}}

// isRunnable returns whether another goroutine can run.
func isRunnable() bool {
	metrics.Read(runnable)
	return runnable[0].Value.Uint64() > 0
}

//go:linkname nextTimer runtime.timeSleepUntil
func nextTimer() int64
