// Package export_wasi_http_incoming_handler is what the component exports for requests.
package export_wasi_http_incoming_handler

import "taffrail.dev/workers/internal/wit/imports/wasi_http_types"

// Handle is called with a request.
var Handle func(request *wasi_http_types.IncomingRequest, out *wasi_http_types.ResponseOutparam)
