// Package export_taffrail_workers_tail is what the component exports for tail events.
package export_taffrail_workers_tail

import "taffrail.dev/workers/internal/wit/imports/taffrail_workers_types"

// Tail is called with the items of a tail event.
var Tail func(items []taffrail_workers_types.TraceItem)
